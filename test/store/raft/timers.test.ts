/** When a member loses patience with a leader that is silent. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { raftOptions } from '../../../lib/store/driver/options.ts';
import { Raft } from '../../../lib/store/raft/raft.ts';
import { hardStateStart, positionStart } from '../../../lib/store/raft/entry.ts';
import type { RaftMessage } from '../../../lib/store/raft/message.ts';

const electionTicks = 12;
const [own, leader, third] = ['a', 'b', 'c'].map((letter) => letter.repeat(16)) as [
  string,
  string,
  string,
];
const config = { voters: [own, leader, third], learners: [], witnesses: [] };
const draws = fc.integer({ min: 0, max: electionTicks - 1 });

/** A follower whose timeouts are drawn as given; afterwards by zeros. */
function follower(drawn: readonly number[]): Raft {
  const left = [...drawn];
  const random = () => (left.shift() ?? 0) / electionTicks;
  const base = { at: positionStart, config };
  const start = { id: own, hard: hardStateStart, base, entries: [], applied: 0 };
  return new Raft(start, { ...raftOptions, electionTicks, random });
}

/** It hears a message, and what it writes is durable at once. */
function hear(raft: Raft, message: RaftMessage): void {
  const { write } = raft.step({ type: 'message', from: leader, message });
  if (write !== undefined) raft.step({ type: 'persisted', token: write.token });
}
const heartbeat = (term: number): RaftMessage => ({ kind: 'heartbeat', term, commit: 0, round: 0 });

/** Ticks without a word until it asks whether it could win. */
function patience(raft: Raft): number {
  for (let ticks = 1; ticks <= 4 * electionTicks; ticks += 1) {
    const { sendNow } = raft.step({ type: 'tick' });
    if (sendNow.some(({ message }) => message.kind === 'preVote')) return ticks;
  }
  throw new Error('it waits for ever');
}

test('a timeout is drawn anew with every leader, also by who has voted for it', () => {
  fc.assert(
    fc.property(draws, draws, fc.boolean(), (first, second, votes) => {
      // what was longer than the winner's would else be kept, and with it every second failover be late
      const raft = follower([first, second]);
      if (votes) hear(raft, { kind: 'vote', term: 1, last: positionStart, transfer: false });
      hear(raft, heartbeat(1));
      hear(raft, heartbeat(1));
      expect(patience(raft)).toBe(electionTicks + second);
    }),
  );
});

test('a leader that goes on speaking is waited for as long as before', () => {
  fc.assert(
    fc.property(draws, draws, fc.nat(electionTicks - 1), (first, second, silent) => {
      const raft = follower([first, second]);
      hear(raft, heartbeat(1));
      for (let round = 0; round < 5; round += 1) {
        for (let tick = 0; tick < silent; tick += 1) raft.step({ type: 'tick' });
        hear(raft, heartbeat(1));
      }
      expect(patience(raft)).toBe(electionTicks + second);
    }),
  );
});
