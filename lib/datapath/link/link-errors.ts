/**
 * How errors of the kernel become ours: one line with what was tried, the name of the errno and the
 * kernel's own words. `detail` carries the errno's name for programs and the log.
 */
import { FairleadError } from '../../errors.ts';
import { errorNumber, type Libc } from './libc.ts';

/** Facts in `detail` of an error that comes from the kernel. */
export interface KernelDetail {
  /** As in errno(3), for example `ENODEV`. */
  readonly errno: string;
}

/** The error for a call or request the kernel refused. `errno` is positive. */
export function kernelError(
  libc: Pick<Libc, 'describe'>,
  what: string,
  errno: number,
  text?: string,
): FairleadError {
  const name = errnoName(errno);
  const message = `${what}: ${text === undefined || text === '' ? libc.describe(errno) : text}`;
  const denied = errno === errorNumber.EPERM || errno === errorNumber.EACCES;
  return new FairleadError('LINK_FAILED', `${message} (${name})`, {
    detail: { errno: name } satisfies KernelDetail,
    ...(denied ? { fix: 'run the agent as root, or give it CAP_NET_ADMIN' } : {}),
  });
}

/** The name of an errno, or its number in the same shape. */
export function errnoName(errno: number): string {
  const found = Object.entries(errorNumber).find(([, number]) => number === errno);
  return found === undefined ? `errno ${errno}` : found[0];
}
