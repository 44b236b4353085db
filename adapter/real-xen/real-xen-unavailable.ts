/** Said when real Xen cannot be run on this machine: one sentence with what is missing and what to do. */
export class RealXenUnavailable extends Error {}
