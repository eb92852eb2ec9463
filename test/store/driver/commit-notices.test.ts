/** How far is committed, told with the next entries where they come soon. */
import { describe, expect, it } from 'vitest';
import { CommitNotices } from '../../../lib/store/driver/commit-notices.ts';
import type { Append } from '../../../lib/store/raft/message.ts';

const a = '000000000000000a';
const b = '000000000000000b';

const append = (commit: number, entries: Append['entries'] = []): Append => ({
  kind: 'append',
  term: 1,
  previous: { index: 1, term: 1 },
  entries,
  commit,
});
const some = [{ index: 2, term: 1, kind: 'command' as const, data: 'x' }];

describe('what is only known to be committed', () => {
  it('waits, the newest for each member, and leaves together', () => {
    const notices = new CommitNotices(20);
    for (const [to, commit] of [
      [a, 1],
      [b, 1],
      [a, 2],
    ] as const) {
      expect(notices.hold(to, append(commit), 0)).toBe(true);
    }
    expect(notices.take().map(([to, { commit }]) => [to, commit])).toEqual([
      [a, 2],
      [b, 1],
    ]);
    expect(notices.take()).toEqual([]);
  });

  it('does not leave when entries say it as well', () => {
    const notices = new CommitNotices(20);
    notices.hold(a, append(1), 0);
    notices.hold(b, append(1), 0);
    expect(notices.hold(a, append(1, some), 1)).toBe(false);
    expect(notices.take().map(([to]) => to)).toEqual([b]);
  });

  it('leaves at once for a member that waits for it, once', () => {
    const notices = new CommitNotices(20);
    notices.hold(a, append(3), 0);
    expect(notices.takeFor(b)).toBeUndefined();
    expect(notices.takeFor(a)).toMatchObject({ commit: 3 });
    expect(notices.takeFor(a)).toBeUndefined();
    expect(notices.take()).toEqual([]);
  });

  it('is worth a longer wait while entries come one after the other, by what each member is sent', () => {
    const notices = new CommitNotices(20);
    notices.hold(a, append(1, some), 100);
    notices.hold(b, append(1, some), 100.1);
    expect(notices.isOften).toBe(false);
    notices.hold(a, append(1, some), 105);
    expect(notices.isOften).toBe(true);
    notices.hold(a, append(1, some), 200);
    expect(notices.isOften).toBe(false);
  });
});
