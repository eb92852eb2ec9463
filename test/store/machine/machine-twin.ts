/**
 * The obvious machine: plain lists, everything computed anew. Transactions are those of the twin of the
 * conformance suite.
 */
import type { Reply, SessionMark } from '../../../lib/store/machine/command.ts';
import type { LeaseState } from '../../../lib/store/machine/leases.ts';
import type { MachineLimits } from '../../../lib/store/machine/machine-limits.ts';
import type { Txn } from '../../../lib/store/port.ts';
import { createTwin, type Twin } from '../../conformance/store-twin.ts';
import type { Step } from './commands.ts';

/** What the twin answers: a refusal by its code only, a transaction's by `refused`. */
export type TwinReply =
  | Extract<Reply, { ok: true }>
  | { readonly ok: false; readonly code: string };

interface Client {
  readonly name: string;
  answers: readonly { readonly sequence: number; readonly reply: TwinReply }[];
  floor: number;
}

const done: TwinReply = { ok: true, result: undefined };
const refused = (code: string): TwinReply => ({ ok: false, code });

/** A machine that is easy to believe. */
export class MachineTwin {
  readonly users: Twin = createTwin();
  readonly system: Twin = createTwin();
  leases: readonly LeaseState[] = [];
  timeMs = 0;
  /** The one that was silent longest comes first. */
  #clients: readonly Client[] = [];
  readonly #limits: Pick<
    MachineLimits,
    'storeSessionsMax' | 'storeSessionRepliesMax' | 'machineTimeStepMs'
  >;

  constructor(limits: MachineLimits) {
    this.#limits = limits;
  }

  apply({ command, session, wallMs }: Step, term: number): TwinReply {
    const most = this.timeMs + this.#limits.machineTimeStepMs;
    this.timeMs = Math.max(this.timeMs + 1, Math.min(wallMs, most));
    if (session === undefined) return this.#run(command, term);
    const known = this.#clients.find(({ name }) => name === session.client);
    const others = this.#clients.filter((each) => each !== known);
    if (command.do === 'closeSession') {
      this.#clients = others;
      return done;
    }
    if (command.do === 'openSession') {
      const client = known ?? { name: session.client, answers: [], floor: 0 };
      this.#clients = [...others, client].slice(-this.#limits.storeSessionsMax);
      return done;
    }
    if (known === undefined) return refused('SESSION_UNKNOWN');
    this.#clients = [...others, known];
    return this.#once(known, session, () => this.#run(command, term));
  }

  #once(client: Client, mark: SessionMark, run: () => TwinReply): TwinReply {
    const before = client.answers.find(({ sequence }) => sequence === mark.sequence);
    this.#forget(client, mark.acknowledged);
    if (before !== undefined) return before.reply;
    if (mark.sequence <= client.floor) return refused('STORE_OUTCOME_UNKNOWN');
    const reply = run();
    client.answers = [...client.answers, { sequence: mark.sequence, reply }];
    if (client.answers.length > this.#limits.storeSessionRepliesMax) {
      this.#forget(client, Math.min(...client.answers.map(({ sequence }) => sequence)));
    }
    return reply;
  }

  #forget(client: Client, upTo: number): void {
    client.floor = Math.max(client.floor, upTo);
    client.answers = client.answers.filter(({ sequence }) => sequence > client.floor);
  }

  #run(command: Step['command'], term: number): TwinReply {
    if (command.do === 'txn') return this.#txn(this.users, command.txn);
    if (command.do === 'system') return this.#txn(this.system, command.txn);
    if (command.do === 'openSession' || command.do === 'closeSession')
      return refused('STORE_LIMIT');
    const { lease: id } = command;
    const lease = this.leases.find((each) => each.id === id);
    if (command.do === 'grantLease') {
      if (command.ttlMs < 1_000) return refused('STORE_LIMIT');
      if (lease !== undefined) return refused('STORE_CONFLICT');
      this.leases = [...this.leases, { id, ttlMs: command.ttlMs, generation: 1 }];
      this.users.grant(id);
      return done;
    }
    if (lease === undefined) return refused('LEASE_UNKNOWN');
    if (command.do === 'renewLease') {
      this.leases = this.leases.map((each) =>
        each === lease ? { ...each, generation: each.generation + 1 } : each,
      );
      return done;
    }
    const { expired } = command;
    const counts =
      expired === undefined ||
      (expired.generation === lease.generation && expired.decidedIn === term);
    if (!counts) {
      return {
        ok: true,
        result: { succeeded: false, revision: this.users.revision(), results: [] },
      };
    }
    this.leases = this.leases.filter((each) => each !== lease);
    const deleted = this.users.revoke(id);
    const results = [{ op: 'delete' as const, deleted }];
    return { ok: true, result: { succeeded: true, revision: this.users.revision(), results } };
  }

  #txn(rows: Twin, txn: Txn): TwinReply {
    const result = rows.txn(txn);
    return result === undefined ? refused('refused') : { ok: true, result };
  }
}
