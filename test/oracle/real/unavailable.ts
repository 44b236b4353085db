/** Said when this machine cannot run the oracle: one sentence with what is missing and what to do. */
export class OracleUnavailable extends Error {}
