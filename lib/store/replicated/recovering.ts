/** Snapshots, and going on after the majority was lost. */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FairleadError } from '../../errors.ts';
import type { StoredState } from '../driver/storage.ts';
import { isSystemError, writeFileDurably } from '../level/durable-file.ts';
import type { MachineImage } from '../machine/image.ts';
import { Machine } from '../machine/machine.ts';
import { recoveredRows } from '../membership/recovered.ts';
import type { Member } from '../membership/rows.ts';
import type { RecoveryReport } from './cluster.ts';
import type { ClusterNode } from './node.ts';
import { rebase, wholeImage, withSystemRows } from './rebase.ts';
import { machineOptions, replaceContent } from './recovery.ts';
import { readSnapshot, snapshotLines } from './snapshot-file.ts';

/** The operations. */
export class Recovering {
  readonly #node: ClusterNode;

  constructor(node: ClusterNode) {
    this.#node = node;
  }

  /** The state as it is here, line by line. */
  async *snapshot(): AsyncGenerator<string, void> {
    const { engine, identity, options } = this.#node;
    const { clusterId, epoch } = identity;
    yield* snapshotLines(engine.frozen(), {
      clusterId,
      epoch,
      takenAtMs: options.clock.wallMs(),
      takenBy: options.hostName,
    });
  }

  /** Makes this member alone the cluster, or says what that would come to. */
  async recover(stopped: readonly string[], dryRun: boolean): Promise<RecoveryReport> {
    const node = this.#node;
    this.#checkMayRecover(stopped);
    const { engine, identity, rows, options } = node;
    const { memberId } = identity;
    const { last, commit } = engine.status();
    const report: RecoveryReport = {
      epoch: identity.epoch + 1,
      clusterId: identity.clusterId,
      revision: engine.revision(),
      lastEntry: last,
      uncommittedEntries: last.index - commit,
      leftBehind: rows
        .members()
        .filter(({ id }) => id !== memberId)
        .map(({ name }) => name)
        .toSorted(),
    };
    if (dryRun) return report;
    const { epoch } = report;
    const self = this.#ownRow();
    const copy = await this.#keepCopy(epoch);
    let revision = 0;
    await node.reopen(() =>
      replaceContent(node.storeDirectory, options, (stored) => {
        const image = rebase(recoveredImage(stored, self, options.clock.wallMs()));
        ({ revision } = image.head);
        return { image, epoch };
      }),
    );
    await this.#presentRecovered();
    return { ...report, revision, copy };
  }

  /** Replaces the state of a host that is alone. */
  async restore(lines: AsyncIterable<string>): Promise<void> {
    const node = this.#node;
    this.#checkMayRestore();
    const { header, image } = await readSnapshot(lines);
    try {
      Machine.load(image, machineOptions);
    } catch (cause) {
      throw new FairleadError('SNAPSHOT_INVALID', 'the snapshot does not add up', { cause });
    }
    // it may have taken long to come
    this.#checkMayRestore();
    const { identity, options } = node;
    const epoch = Math.max(identity.epoch, header.epoch) + 1;
    const system = node.engine.localSystemRange({ start: '!', end: '\x7f' }).rows;
    const copy = await this.#keepCopy(epoch);
    await node.reopen(async () => {
      await replaceContent(node.storeDirectory, options, (stored) => ({
        image: rebase(withSystemRows(image, system, machineOptions)),
        epoch: Math.max(epoch, stored.identity.epoch + 1),
      }));
    });
    await this.#presentRecovered();
    options.log.info(
      { takenBy: header.takenBy, takenAtMs: header.takenAtMs, copy },
      'restored a snapshot',
    );
  }

  /**
   * Keeps the state as it is before another takes its place, as a snapshot; returns its path. An attempt
   * that is repeated writes the same again.
   * @throws STORE_NO_SPACE, STORE_FAILED; nothing has changed then
   */
  async #keepCopy(epoch: number): Promise<string> {
    const path = join(dirname(this.#node.storeDirectory), `before-epoch-${epoch}.snapshot`);
    try {
      await writeFileDurably(path, endedLines(this.snapshot()));
    } catch (cause) {
      await rm(`${path}.new`, { force: true });
      const code = isSystemError(cause, 'ENOSPC') ? 'STORE_NO_SPACE' : 'STORE_FAILED';
      throw new FairleadError(code, `the state as it is cannot be kept in ${path}`, { cause });
    }
    return path;
  }

  /** Says so in the peer file; a crash before leaves it to the loop. */
  async #presentRecovered(): Promise<void> {
    const { file, identity } = this.#node;
    if (file === undefined) return;
    await this.#node.present({ ...file, epoch: identity.epoch, role: 'voter', seeds: [] });
  }

  /** A snapshot takes the place of everything, so nobody else may be of this cluster. */
  #checkMayRestore(): void {
    const { rows, file, engine, identity } = this.#node;
    const others = rows.members().filter(({ id, leaving }) => id !== identity.memberId && !leaving);
    const { voters, learners } = engine.status().config;
    const isAlone = others.length === 0 && voters.length === 1 && learners.length === 0;
    if (isAlone && file?.role !== 'witness') return;
    throw new FairleadError('CLUSTER_CHANGE', 'a snapshot is restored on a host that is alone', {
      fix: 'fairlead cluster leave, or restore on a new host',
    });
  }

  /** This member as it is to be when it alone is left. */
  #ownRow(): Member {
    const { rows, identity, file, options } = this.#node;
    const { memberId: id, dataId } = identity;
    const { version, clock, hostName } = options;
    const own = rows.members().find((member) => member.id === id);
    if (own !== undefined) return own;
    const name = file?.name ?? hostName;
    const addresses = [...(file?.advertise ?? [])];
    const joinedAtMs = clock.wallMs();
    return { id, dataId, version, name, role: 'voter', addresses, joinedAtMs, leaving: false };
  }

  /** A majority that answers needs no recovery, and would be cut in two by one. */
  #checkMayRecover(stopped: readonly string[]): void {
    const { engine, identity, rows, file } = this.#node;
    const status = engine.status();
    if (file?.role === 'witness') {
      throw new FairleadError('CLUSTER_CHANGE', 'a witness has no state to go on with', {
        fix: 'recover on a voter or an observer',
      });
    }
    const { retired } = engine;
    if (retired !== undefined && retired.code !== 'STORE_ROLLED_BACK') {
      throw new FairleadError(
        'CLUSTER_CHANGE',
        `the cluster goes on without this host: ${retired.message}`,
        { fix: 'fairlead cluster leave, or join again with a new token' },
      );
    }
    if (status.leader !== undefined && retired === undefined) {
      throw new FairleadError('CLUSTER_MAJORITY', 'the cluster has a leader: there is no need', {
        fix: 'take members out with fairlead cluster remove NAME',
      });
    }
    const members = rows.members();
    const unknown = stopped.find((name) => !members.some((member) => member.name === name));
    if (unknown !== undefined) {
      throw new FairleadError('MEMBER_UNKNOWN', `the cluster has no member ${unknown}`);
    }
    const others = members.filter(
      ({ id }) => status.config.voters.includes(id) && id !== identity.memberId,
    );
    const unsaid = others.find(({ name }) => !stopped.includes(name));
    if (unsaid !== undefined) {
      throw new FairleadError(
        'CLUSTER_MAJORITY',
        `${unsaid.name} is a voter, and you have not said that it is stopped`,
        {
          fix: `stop it, then: fairlead cluster recover --i-have-stopped ${others.map(({ name }) => name).join(',')}`,
        },
      );
    }
    const there = new Set(this.#node.connected());
    const alive = members.find(({ id, name }) => there.has(id) && stopped.includes(name));
    if (alive !== undefined) {
      throw new FairleadError('CLUSTER_MAJORITY', `${alive.name} is not stopped: it answers`, {
        fix: `stop the agent on ${alive.name}`,
      });
    }
  }
}

async function* endedLines(lines: AsyncIterable<string>): AsyncGenerator<string, void> {
  for await (const line of lines) yield `${line}\n`;
}

/** Everything that a member has, with itself as the only one that stays. */
function recoveredImage(stored: StoredState, self: Member, nowMs: number): MachineImage {
  const image = wholeImage(stored, machineOptions);
  const system = image.rows.filter(([space]) => space === 'system').map(([, row]) => row);
  return withSystemRows(image, recoveredRows(system, self, nowMs), machineOptions);
}
