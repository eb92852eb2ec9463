/** Snapshots, and going on after the majority was lost. */
import { FairleadError } from '../../errors.ts';
import { clusterChangeWaitMs, clusterLoopMs } from '../../limits.ts';
import { planAbandon } from '../membership/members.ts';
import { Machine } from '../machine/machine.ts';
import { runPlan } from '../run-plan.ts';
import type { RecoveryReport } from './cluster.ts';
import type { ClusterNode } from './node.ts';
import { rebase, wholeImage, withSystemRows } from './rebase.ts';
import { machineOptions, replaceContent } from './recovery.ts';
import { readStatus } from './read-status.ts';
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
    const image = engine.image();
    yield* snapshotLines(image, {
      clusterId,
      epoch,
      takenAtMs: options.clock.wallMs(),
      takenBy: options.hostName,
    });
  }

  /** Makes this member alone the cluster, or says what that would come to. */
  async recover(stopped: readonly string[], dryRun: boolean): Promise<RecoveryReport> {
    const node = this.#node;
    await this.#checkMayRecover(stopped);
    const { engine, identity, rows, options } = node;
    const { memberId } = identity;
    const { clock } = options;
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
        .map(({ name }) => name),
    };
    if (dryRun) return report;
    const epoch = identity.epoch + 1;
    let revision = 0;
    await node.reopen(async () => {
      await replaceContent(node.storeDirectory, options, (stored) => {
        const image = rebase(wholeImage(stored, machineOptions));
        ({ revision } = image.head);
        return { image, epoch };
      });
    });
    if (node.file !== undefined) await node.present({ ...node.file, epoch, seeds: [] });
    const abandon = () => runPlan(node.engine.system, () => planAbandon(memberId));
    while (await abandon());
    // the loop forgets them; a command that follows should not meet them any more
    const deadlineMs = clock.monotonicMs() + clusterChangeWaitMs;
    while (node.rows.members().length > 1 && clock.monotonicMs() < deadlineMs) {
      await clock.sleep(clusterLoopMs / 5);
    }
    return { ...report, revision };
  }

  /** Replaces the state of a host that is alone. */
  async restore(lines: AsyncIterable<string>): Promise<void> {
    const node = this.#node;
    const { header, image } = await readSnapshot(lines);
    try {
      Machine.load(image, machineOptions);
    } catch (cause) {
      throw new FairleadError('SNAPSHOT_INVALID', 'the snapshot does not add up', { cause });
    }
    if (node.rows.members().length > 1) {
      throw new FairleadError('CLUSTER_CHANGE', 'a snapshot is restored on a host that is alone', {
        fix: 'fairlead cluster leave, or restore on a new host',
      });
    }
    const { identity, options } = node;
    const epoch = Math.max(identity.epoch, header.epoch) + 1;
    const role = node.file?.role;
    if (role === 'witness') {
      throw new FairleadError('CLUSTER_CHANGE', 'a witness keeps no state');
    }
    const system = node.engine.localSystemRange({ start: '!', end: '\x7f' }).rows;
    await node.reopen(async () => {
      await replaceContent(node.storeDirectory, options, (stored) => ({
        image: rebase(withSystemRows(image, system, machineOptions)),
        epoch: Math.max(epoch, stored.identity.epoch + 1),
      }));
    });
    if (node.file !== undefined) await node.present({ ...node.file, epoch: node.identity.epoch });
    options.log.info(
      { takenBy: header.takenBy, takenAtMs: header.takenAtMs },
      'restored a snapshot',
    );
  }

  /** A majority that answers needs no recovery, and would be cut in two by one. */
  async #checkMayRecover(stopped: readonly string[]): Promise<void> {
    const { engine, identity, rows, file } = this.#node;
    const status = engine.status();
    if (file?.role === 'witness') {
      throw new FairleadError('CLUSTER_CHANGE', 'a witness has no state to go on with', {
        fix: 'recover on a voter or an observer',
      });
    }
    if (status.leader !== undefined && engine.retired === undefined) {
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
    const { members: seen } = await readStatus(this.#node);
    const alive = seen.find(({ name, connected }) => connected && stopped.includes(name));
    if (alive !== undefined) {
      throw new FairleadError('CLUSTER_MAJORITY', `${alive.name} is not stopped: it answers`, {
        fix: `stop the agent on ${alive.name}`,
      });
    }
  }
}
