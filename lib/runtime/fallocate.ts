/** Room on a disk, taken without writing it: posix_fallocate(3). */
import { koffi } from './native.ts';

let fallocate: ((descriptor: number, offset: number, length: number) => number) | undefined;

/**
 * Makes sure that a file has `bytes` of the disk. Blocks for as long as the filesystem needs: next to
 * nothing where it knows extents, a write of zeros elsewhere.
 * @throws {Error} when there is no room
 */
export function allocateFile(descriptor: number, bytes: number): void {
  fallocate ??= koffi
    .load(null)
    .func('int posix_fallocate(int descriptor, int64_t offset, int64_t length)') as (
    descriptor: number,
    offset: number,
    length: number,
  ) => number;
  const errno = fallocate(descriptor, 0, bytes);
  if (errno !== 0) throw new Error(`posix_fallocate of ${bytes} bytes failed with errno ${errno}`);
}
