/** Random grants: the domain grants pages to itself, maps them in every way, unmaps them rightly and wrongly. */

import type { GrantPlace, Operation } from '../../../adapter/conformance/operations.ts';
import type { Outcome } from '../../../adapter/conformance/runner.ts';
import { type Context, DOMID_SELF, type Family, SLOTS } from './context.ts';

const OWN_ID = 0;
const ABSENT_ID = 5;
const REFS = [8, 9, 10, 11, 12, 13, 600] as const;
const GTF = { invalid: 0, permit: 1, transfer: 2, readonly: 5 } as const;
const GNTMAP = { device: 1, host: 2, readonly: 4, application: 8 } as const;
const GRANT_TABLE_OP = 20;
const GNTTABOP_COPY = 5n;
const COPY_STATUS_WORD = 4;
const SOURCE_BY_REF = 1n;
const DEST_BY_REF = 2n;

interface Mapping {
  readonly place: GrantPlace;
  readonly handle: number;
}

export function grantOperations(context: Context): Family {
  const { random } = context;
  let isSetUp = false;
  let mappings: readonly Mapping[] = [];

  const setUp = (): Operation => ({
    op: 'grant_setup',
    raw: false,
    frames: random.weighted([
      [6, 1],
      [3, 2],
      [1, 0],
    ]),
  });

  const ref = (): number => random.pick(random.chance(90) ? REFS.slice(0, -1) : REFS);

  const set = (): Operation => {
    if (!isSetUp) return setUp();
    const flags = random.weighted([
      [8, GTF.permit],
      [3, GTF.readonly],
      [1, GTF.invalid],
      [1, GTF.transfer],
    ]);
    const domid = random.chance(92) ? OWN_ID : ABSENT_ID;
    return {
      op: 'grant_set',
      raw: false,
      ref: random.pick(REFS.slice(0, -1)),
      p: context.page(),
      flags,
      domid,
    };
  };

  const place = (): GrantPlace => {
    if (random.chance(60)) return { va: context.windowVa() };
    if (random.chance(25)) return { va: context.linkedVa() };
    return { p: random.chance(80) ? context.pageOf(['l1']) : context.page(), index: random.pick(SLOTS) };
  };

  const map = (): Operation => {
    const kind = random.weighted([
      [10, GNTMAP.host],
      [2, GNTMAP.device],
      [3, GNTMAP.host | GNTMAP.device],
      [1, 0],
    ]);
    const readonly = random.chance(50) ? GNTMAP.readonly : 0;
    const application = random.chance(15) ? GNTMAP.application : 0;
    const available = random.chance(15) ? random.below(8) << 16 : 0;
    const dom = random.weighted([
      [20, OWN_ID],
      [1, ABSENT_ID],
      [1, DOMID_SELF],
    ]);
    const flags = kind | readonly | application | available;
    return { op: 'grant_map', raw: false, ref: ref(), place: place(), flags, dom };
  };

  const unmap = (): Operation => {
    const known = mappings.length > 0 && random.chance(90) ? random.pick(mappings) : null;
    const handle = known?.handle ?? random.below(6);
    const where = random.weighted<GrantPlace>([
      [16, known?.place ?? { va: context.windowVa() }],
      [1, { va: 0n }],
      [2, place()],
    ]);
    return { op: 'grant_unmap', raw: false, place: where, handle };
  };

  /** GNTTABOP_copy of a part of a page, by frame or by reference on either side. */
  const copy = (): Operation => {
    const side = (
      isByRef: boolean,
    ): readonly [Extract<Operation, { op: 'hypercall' }>['args'][number], number] =>
      isByRef
        ? [BigInt(ref()), OWN_ID]
        : [{ frame: context.page() }, random.chance(90) ? DOMID_SELF : OWN_ID];
    const isSourceRef = random.chance(50);
    const isDestRef = random.chance(50);
    const [source, sourceDomain] = side(isSourceRef);
    const [dest, destDomain] = side(isDestRef);
    const offset = BigInt(random.pick([0, 8, 72, 4088]));
    const length = BigInt(random.pick([0, 8, 512, 4096]));
    const flags = (isSourceRef ? SOURCE_BY_REF : 0n) | (isDestRef ? DEST_BY_REF : 0n);
    const data = [
      source,
      BigInt(sourceDomain) | (offset << 16n),
      dest,
      BigInt(destDomain) | (offset << 16n),
      length | (flags << 16n),
    ];
    const args = [GNTTABOP_COPY, { data: 0 }, 1n];
    return { op: 'hypercall', raw: false, nr: GRANT_TABLE_OP, args, data, show: [COPY_STATUS_WORD] };
  };

  const learn = (operation: Operation, { handle, status }: Outcome): void => {
    if (operation.op === 'grant_setup' && status === 0 && operation.frames > 0) isSetUp = true;
    if (operation.op === 'grant_map' && handle !== undefined)
      mappings = [...mappings, { place: operation.place, handle }];
    // A mapping stays in the list after its end now and then: to be unmapped twice.
    if (operation.op === 'grant_unmap' && status === 0 && random.chance(80))
      mappings = mappings.filter((one) => one.handle !== operation.handle);
  };

  return {
    kinds: [
      [1, setUp],
      [6, set],
      [10, map],
      [8, unmap],
      [2, copy],
    ],
    learn,
  };
}
