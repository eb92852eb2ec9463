/** Random commands on few keys, leases and clients, so that they meet. */
import * as fc from 'fast-check';
import type { Command, SessionMark } from '../../../lib/store/machine/command.ts';
import type { Operation, Txn } from '../../../lib/store/port.ts';
import { randomTxn } from '../../conformance/store-twin.ts';
import { clientId } from './feeding.ts';

/** Ids of leases that commands name. */
export const leaseIds = ['1', '2', '3'] as const;
/** Terms that entries have and expiries were decided in. */
const term = fc.integer({ min: 1, max: 3 });
const lease = fc.constantFrom(...leaseIds);

/** Transactions of which some puts go with a lease. */
const leasedTxn: fc.Arbitrary<Txn> = fc
  .tuple(randomTxn, fc.array(fc.option(lease, { nil: undefined, freq: 3 }), { minLength: 8 }))
  .map(([txn, leases]) => {
    const attach = (branch: readonly Operation[], from: number): readonly Operation[] =>
      branch.map((operation, at) => {
        const chosen = leases[(from + at) % leases.length];
        return operation.op === 'put' && chosen !== undefined
          ? { ...operation, lease: chosen }
          : operation;
      });
    return { ...txn, then: attach(txn.then, 0), else: attach(txn.else ?? [], 4) };
  });

/** Any command but those about sessions. */
export const randomCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: leasedTxn.map((txn): Command => ({ do: 'txn', txn })),
  },
  { weight: 2, arbitrary: randomTxn.map((txn): Command => ({ do: 'system', txn })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(lease, fc.constantFrom(1_000, 5_000, 1))
      .map(([id, ttlMs]): Command => ({ do: 'grantLease', lease: id, ttlMs })),
  },
  { weight: 1, arbitrary: lease.map((id): Command => ({ do: 'renewLease', lease: id })) },
  { weight: 1, arbitrary: lease.map((id): Command => ({ do: 'revokeLease', lease: id })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(lease, fc.integer({ min: 1, max: 2 }), term)
      .map(([id, generation, decidedIn]): Command => ({
        do: 'revokeLease',
        lease: id,
        expired: { generation, decidedIn },
      })),
  },
);

/** A mark of one of few clients with a low number, so that repetitions and gaps are common. */
export const randomMark: fc.Arbitrary<SessionMark> = fc
  .tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 0, max: 8 }),
  )
  .map(([client, sequence, acknowledged]) => ({
    client: clientId(client),
    sequence,
    acknowledged: Math.min(acknowledged, sequence - 1),
  }));

/** A command as an entry carries it. */
export interface Step {
  readonly command: Command;
  readonly session: SessionMark | undefined;
  readonly wallMs: number;
  /** By how much the term rises before it. */
  readonly termRise: 0 | 1;
}

/** Commands in and out of sessions. */
export const randomStep: fc.Arbitrary<Step> = fc
  .record({
    session: fc.option(randomMark, { nil: undefined, freq: 3 }),
    command: randomCommand,
    about: fc.constantFrom<Command['do'] | undefined>(
      ...(['openSession', 'openSession', 'closeSession'] as const),
      ...Array.from({ length: 9 }, () => undefined),
    ),
    wallMs: fc.integer({ min: 0, max: 200_000 }),
    termRise: fc.constantFrom(0 as const, 0 as const, 0 as const, 1 as const),
  })
  .map(({ session, command, about, wallMs, termRise }): Step => {
    const isAbout = about === 'openSession' || about === 'closeSession';
    const chosen: Command = session !== undefined && isAbout ? { do: about } : command;
    return { command: chosen, session, wallMs, termRise };
  });
