/** The JSON object that `xenscope run --json` prints (contracts.md, section 1: additions only). */

import { defaultXen } from '../../core/timeline/options.ts';
import type { Session } from '../../core/timeline/session.ts';
import type {
  ExitInfo,
  FaultRecord,
  HypercallRecord,
  JsonObject,
  RefusalRecord,
  SessionProblem,
} from '../../core/timeline/types.ts';
import { countErrors } from '../host/problems.ts';
import type { RunFlags } from './cli.ts';

export interface RunReport {
  readonly version: 1;
  readonly abi: string;
  readonly xen: string;
  readonly exit: {
    readonly status: number;
    readonly kind: ExitInfo['kind'] | 'compile';
    readonly reason: string;
  };
  readonly console: readonly string[];
  readonly statements: number;
  readonly hypercalls: readonly HypercallReport[];
  readonly faults: readonly FaultReport[];
  readonly audit: readonly { readonly message: string }[];
  /** What the compiler had to say; absent when nothing. */
  readonly problems?: readonly SessionProblem[];
}

interface HypercallReport {
  readonly seq: number;
  readonly domain: number;
  readonly vcpu: number;
  readonly name: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly args: JsonObject;
  readonly rc: number | string;
  readonly done?: number;
  readonly refusal?: RefusalReport;
  readonly checks?: readonly string[];
}

interface RefusalReport {
  readonly rule: string;
  readonly errno: string;
  readonly message: string;
  readonly xenPrints: string;
  readonly xenPrintsInRelease: boolean;
  readonly evidence: JsonObject;
}

interface FaultReport {
  readonly seq: number;
  readonly domain: number;
  readonly cr2: string | null;
  readonly errorCode: number | null;
  readonly file: string | null;
  readonly line: number | null;
  readonly deliveredTo: string | null;
  /** Absent for page faults. */
  readonly vector?: number;
}

const PAGE_FAULT = 14;

/** The report of a run that has ended. A broken invariant of the model outweighs every other end. */
export function runReport(
  session: Session,
  exit: ExitInfo,
  { checks }: { readonly checks: boolean },
): RunReport {
  const audit = session.audit().map(({ message }) => ({ message }));
  const [broken] = audit;
  return {
    version: 1,
    abi: session.abi,
    xen: session.xen,
    exit:
      broken === undefined || exit.kind === 'internal'
        ? { status: exit.status, kind: exit.kind, reason: exit.reason }
        : { status: 5, kind: 'internal', reason: broken.message },
    console: session.console,
    statements: session.statements,
    hypercalls: session.hypercallLog.map((record) => hypercallReport(record, checks)),
    faults: session.faultLog.map(faultReport),
    audit,
  };
}

/** The report of scripts that could not be compiled. */
export function compileReport(flags: RunFlags, problems: readonly SessionProblem[]): RunReport {
  const abi = flags.abi ?? 'x86_64';
  return {
    version: 1,
    abi,
    xen: flags.xen ?? defaultXen(abi),
    exit: { status: 2, kind: 'compile', reason: countErrors(problems) },
    console: [],
    statements: 0,
    hypercalls: [],
    faults: [],
    audit: [],
    problems,
  };
}

function hypercallReport(record: HypercallRecord, checks: boolean): HypercallReport {
  const { seq, domain, vcpu, name, file, line, args, rc, done, refusal } = record;
  return {
    seq,
    domain,
    vcpu,
    name,
    file,
    line,
    args,
    rc,
    ...(done === null ? {} : { done }),
    ...(refusal === null ? {} : { refusal: refusalReport(refusal) }),
    ...(checks ? { checks: record.checks } : {}),
  };
}

const refusalReport = (refusal: RefusalRecord): RefusalReport => ({
  rule: refusal.rule,
  errno: refusal.errno,
  message: refusal.message,
  xenPrints: refusal.xenPrints,
  xenPrintsInRelease: refusal.xenPrintsInRelease,
  evidence: refusal.evidence,
});

function faultReport({
  seq,
  domain,
  vector,
  cr2,
  errorCode,
  file,
  line,
  deliveredTo,
}: FaultRecord): FaultReport {
  return {
    seq,
    domain,
    cr2,
    errorCode,
    file,
    line,
    deliveredTo,
    ...(vector === PAGE_FAULT ? {} : { vector }),
  };
}
