/**
 * Xen's error numbers (facts 9.2), and the statuses of grant operations (facts 5.2), which are written into each
 * element of a list while the hypercall itself returns 0. Both are negative for the guest; people read the names.
 */

export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  ERANGE: 34,
  ENOSYS: 38,
  ENODATA: 61,
  EOVERFLOW: 75,
  ERESTART: 85,
  EOPNOTSUPP: 95,
} as const;

export type ErrnoName = keyof typeof ERRNO;

/** GNTST_*, without their sign. */
export const GRANT_STATUS = {
  GNTST_general_error: 1,
  GNTST_bad_domain: 2,
  GNTST_bad_gntref: 3,
  GNTST_bad_handle: 4,
  GNTST_bad_virt_addr: 5,
  GNTST_bad_dev_addr: 6,
  GNTST_no_device_space: 7,
  GNTST_permission_denied: 8,
  GNTST_bad_page: 9,
  GNTST_bad_copy_arg: 10,
  GNTST_eagain: 12,
  GNTST_no_space: 13,
} as const;

export type GrantStatusName = keyof typeof GRANT_STATUS;
/** What a refusal says: an error of the hypercall, or the status of one grant operation. */
export type ErrorName = ErrnoName | GrantStatusName;

/** The number that the guest sees: negative. */
export const errorNumber = (name: ErrorName): number =>
  -(isGrantStatus(name) ? GRANT_STATUS[name] : ERRNO[name]);

/** As people write it: `-EINVAL`, `GNTST_bad_page`. */
export const describeError = (name: string): string => (name.startsWith('GNTST_') ? name : `-${name}`);

const isGrantStatus = (name: ErrorName): name is GrantStatusName => name in GRANT_STATUS;

const NAMES = new Map<number, ErrnoName>(
  (Object.keys(ERRNO) as ErrnoName[]).map((name) => [ERRNO[name], name]),
);

/** The name of a hypercall's negative result, or null when it is no error number of Xen's. */
export function errnoName(rc: number): ErrnoName | null {
  return rc < 0 ? (NAMES.get(-rc) ?? null) : null;
}
