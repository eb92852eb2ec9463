/**
 * The operations of a cluster on this host. Each checks first, changes by one transaction, then waits
 * until the change has come about; what takes long is done by the leader's loop and goes on without us.
 */
import { FairleadError, hasCode } from '../../errors.ts';
import { clusterChangeWaitMs, clusterLoopMs, transferWaitMs } from '../../limits.ts';
import { planFound, planLeave, planSetRole } from '../membership/members.ts';
import { memberNamed } from '../membership/read.ts';
import { authorityKey, type Member, type MemberRole } from '../membership/rows.ts';
import { planReplaceAuthority, planToken } from '../membership/tokens.ts';
import { keyFingerprint, makeAuthority } from '../peer/authority.ts';
import { parseAddress } from '../peer/address.ts';
import { seal } from '../peer/sealed.ts';
import { formatJoinToken, joinSecretHash, makeJoinSecret } from '../peer/token.ts';
import { runPlan } from '../run-plan.ts';
import { localAuthority } from './admission.ts';
import type {
  ClusterOperations,
  ClusterStatus,
  ListenWish,
  RecoveryReport,
  TokenAnswer,
} from './cluster.ts';
import { doorsOf, goPublic } from './going-public.ts';
import { handOver, heirOf } from './hand-over.ts';
import { Joining } from './joining.ts';
import type { ClusterNode } from './node.ts';
import { Recovering } from './recovering.ts';
import { readStatus } from './read-status.ts';

/** The operations on a node. */
export class NodeOperations implements ClusterOperations {
  readonly #node: ClusterNode;
  readonly #joining: Joining;
  readonly #recovering: Recovering;
  #isChanging = false;

  constructor(node: ClusterNode) {
    this.#node = node;
    this.#joining = new Joining(node);
    this.#recovering = new Recovering(node);
  }

  status(): Promise<ClusterStatus> {
    return readStatus(this.#node);
  }

  async init(wish: ListenWish): Promise<ClusterStatus> {
    await this.#alone(() => goPublic(this.#node, wish));
    return this.status();
  }

  async token(
    wish: ListenWish & { readonly role: MemberRole; readonly ttlMs: number; readonly uses: number },
  ): Promise<TokenAnswer> {
    const node = this.#node;
    const { clock } = node.options;
    const isMoved = wish.listen !== undefined || wish.advertise !== undefined;
    const file =
      node.file === undefined || isMoved
        ? await this.#alone(() => goPublic(node, wish))
        : node.file;
    const addresses = await doorsOf(node, file);
    const secret = makeJoinSecret();
    const { role, uses } = wish;
    const expiresAtMs = clock.wallMs() + wish.ttlMs;
    const row = { hash: joinSecretHash(secret), role, expiresAtMs, usesLeft: uses };
    await runPlan(node.engine.system, () => planToken(row, clock.wallMs()));
    const token = formatJoinToken({
      clusterId: file.clusterId,
      // the newest that this host trusts, and so do all others
      pin: keyFingerprint(file.authorities[0] ?? ''),
      secret,
      expiresMs: expiresAtMs,
      role,
      addresses: addresses.map(parseAddress),
    });
    return { token, role, expiresAtMs, uses, addresses };
  }

  async join(wish: ListenWish & { readonly token: string }): Promise<ClusterStatus> {
    await this.#alone(() => this.#joining.join(wish));
    return this.#arrived();
  }

  joinRequest(wish: ListenWish): Promise<string> {
    return this.#alone(() => this.#joining.request(wish));
  }

  async joinAnswer(request: string, role: MemberRole): Promise<string> {
    if (this.#node.file === undefined) await this.#alone(() => goPublic(this.#node, {}));
    return this.#joining.answer(request, role);
  }

  async joinAccept(answer: string, pin: string | undefined): Promise<ClusterStatus> {
    await this.#alone(() => this.#joining.accept(answer, pin));
    return this.#arrived();
  }

  /** The host is in; what is shown of the cluster has to come here first. */
  async #arrived(): Promise<ClusterStatus> {
    const { memberId } = this.#node.identity;
    await this.#until('the state of the cluster to come here', () =>
      this.#node.rows.members().some(({ id }) => id === memberId),
    );
    return this.status();
  }

  async promote(name: string): Promise<ClusterStatus> {
    const { system } = this.#node.engine;
    const { id } = await runPlan(system, () => planSetRole(name, 'voter'));
    await this.#until(`${name} to be a voter`, () =>
      this.#node.engine.status().config.voters.includes(id),
    );
    return this.status();
  }

  async demote(name: string): Promise<ClusterStatus> {
    const { system } = this.#node.engine;
    const { id } = await runPlan(system, () => planSetRole(name, 'observer'));
    await this.#until(`${name} to be an observer`, () => {
      const { voters, learners } = this.#node.engine.status().config;
      return !voters.includes(id) && !learners.includes(id);
    });
    return this.status();
  }

  async remove(name: string, force: boolean): Promise<ClusterStatus> {
    if (name === this.#node.memberName) {
      throw new FairleadError('CLUSTER_CHANGE', `${name} is this host`, {
        fix: 'fairlead cluster leave; or run it on another host',
      });
    }
    if (!force) this.#checkMajority(name);
    const { id } = await runPlan(this.#node.engine.system, () => planLeave(name));
    await this.#until(`${name} to be removed`, () => this.#isGone(id));
    await this.#node.options.remains?.gone(this.#node.store, name);
    return this.status();
  }

  leave(): Promise<ClusterStatus> {
    return this.#alone(() => this.#leave());
  }

  async #leave(): Promise<ClusterStatus> {
    const node = this.#node;
    const { memberId } = node.identity;
    const { retired } = node.engine;
    if (retired === undefined) {
      const others = node.rows.members().filter(({ id }) => id !== memberId);
      if (others.length === 0) {
        throw new FairleadError('CLUSTER_CHANGE', 'this host is alone: there is nothing to leave', {
          fix: 'none needed',
        });
      }
      const { memberName } = node;
      this.#checkMajority(memberName);
      await runPlan(node.engine.system, () => planLeave(memberName));
      await this.#until('this host to be let go', () => this.#isGone(memberId));
    } else if (hasCode(retired, 'STORE_ROLLED_BACK')) {
      throw retired;
    }
    await node.options.between?.('leave: let go');
    await node.reopen(() => node.leaveBehind());
    await this.foundIfAlone();
    return this.status();
  }

  async transfer(to: string | undefined): Promise<ClusterStatus> {
    const { engine, rows } = this.#node;
    const status = engine.status();
    const { leader, id, config } = status;
    if (engine.retired !== undefined) throw engine.retired;
    if (leader === undefined) throw new FairleadError('QUORUM_LOST', 'the cluster has no leader');
    const named = to === undefined ? undefined : memberNamed(rows.members(), to);
    if (to !== undefined && named === undefined) {
      throw new FairleadError('MEMBER_UNKNOWN', `the cluster has no member ${to}`);
    }
    const there = new Set([id, ...this.#node.connected()]);
    const target = named?.id ?? heirOf(status, (voter) => there.has(voter));
    if (target === undefined || !config.voters.includes(target)) {
      throw new FairleadError('CLUSTER_CHANGE', 'there is no such voter to lead', {
        fix: 'promote one first: fairlead cluster promote NAME',
      });
    }
    if (target === leader) return this.status();
    if (leader === id) {
      const outcome = await handOver(engine, target);
      if (outcome.kind === 'refused') {
        throw new FairleadError('CLUSTER_CHANGE', `leadership was not handed over: ${outcome.why}`);
      }
    } else {
      await engine.requests.transfer(leader, target);
    }
    const isDone = await this.#reached(() => engine.status().leader === target, transferWaitMs);
    if (isDone) return this.status();
    throw new FairleadError('CLUSTER_CHANGE', 'the other voter did not take leadership over', {
      fix: 'fairlead cluster status says whether it is there',
    });
  }

  async rotate(): Promise<ClusterStatus> {
    const { engine, file, identity, options } = this.#node;
    const seen = localAuthority(engine);
    if (file?.sealKey === undefined || seen === undefined) {
      throw new FairleadError('PEER_REFUSED', 'only voters can replace the authority', {
        fix: 'run it on a voter: fairlead cluster members',
      });
    }
    if (seen.certificates.length > 1) {
      throw new FairleadError('CLUSTER_CHANGE', 'a replacement of the authority is under way', {
        fix: 'wait until all members have new certificates: fairlead cluster members',
      });
    }
    const made = makeAuthority(identity.clusterId, options.clock.wallMs());
    const fresh = {
      certificates: [made.certificate, ...seen.certificates],
      sealedKey: seal(file.sealKey, authorityKey, made.privateKey),
    };
    await runPlan(engine.system, () => planReplaceAuthority(seen, fresh));
    const pin = keyFingerprint(made.certificate);
    await this.#until('all members to have new certificates', () =>
      this.#node.rows
        .members()
        .every(({ certificatePin, leaving }) => leaving || certificatePin === pin),
    );
    return this.status();
  }

  snapshot(): AsyncIterable<string> {
    return this.#recovering.snapshot();
  }

  recover(stopped: readonly string[], dryRun: boolean): Promise<RecoveryReport> {
    return this.#alone(() => this.#recovering.recover(stopped, dryRun));
  }

  async restore(lines: AsyncIterable<string>): Promise<ClusterStatus> {
    await this.#alone(() => this.#recovering.restore(lines));
    await this.foundIfAlone();
    return this.status();
  }

  isAlone(): boolean {
    const { engine, identity } = this.#node;
    const { voters, learners } = engine.status().config;
    if (engine.retired !== undefined) return false;
    return voters.length === 1 && voters[0] === identity.memberId && learners.length === 0;
  }

  /** Writes the first rows of a cluster of one, if they are not there. */
  async foundIfAlone(): Promise<void> {
    const { engine, identity, options, file } = this.#node;
    if (!this.isAlone()) return;
    const first: Member = {
      id: identity.memberId,
      name: file?.name ?? options.hostName,
      role: 'voter',
      addresses: [...(file?.advertise ?? [])],
      dataId: identity.dataId,
      version: options.version,
      joinedAtMs: options.clock.wallMs(),
      leaving: false,
    };
    await runPlan(engine.system, () => planFound(first)).catch((error: unknown) => {
      // it was told meanwhile that it may not serve: then there is nothing to found
      if (engine.retired === undefined) throw error;
    });
  }

  /** Taking out a living voter while others are down could leave no majority. */
  #checkMajority(name: string): void {
    const { engine, rows } = this.#node;
    const status = engine.status();
    const member = memberNamed(rows.members(), name);
    if (member === undefined || !status.config.voters.includes(member.id)) return;
    if (status.leader === undefined) {
      throw new FairleadError('QUORUM_LOST', 'the cluster has no leader: nobody can be removed');
    }
    // whose connection just broke was heard of lately, and cannot be relied on
    const alive = new Set([status.id, ...this.#node.connected()]);
    const rest = status.config.voters.filter((id) => id !== member.id);
    const living = rest.filter((id) => alive.has(id));
    // the last one is another matter: the plan knows
    if (rest.length === 0 || living.length * 2 > rest.length) return;
    throw new FairleadError(
      'CLUSTER_MAJORITY',
      `without ${name} only ${living.length} of ${rest.length} voters would answer`,
      { fix: 'bring the others back or remove them first; --force if you mean it' },
    );
  }

  #isGone(id: string): boolean {
    const { engine, rows } = this.#node;
    return engine.retired !== undefined || !rows.members().some((member) => member.id === id);
  }

  async #until(what: string, reached: () => boolean): Promise<void> {
    if (await this.#reached(reached, clusterChangeWaitMs)) return;
    throw new FairleadError('CLUSTER_WAITING', `waited for ${what}; it goes on by itself`);
  }

  async #reached(reached: () => boolean, withinMs: number): Promise<boolean> {
    const { clock, timing } = this.#node.options;
    const deadlineMs = clock.monotonicMs() + withinMs;
    while (!reached()) {
      if (clock.monotonicMs() > deadlineMs) return false;
      await clock.sleep((timing.loopMs ?? clusterLoopMs) / 5);
    }
    return true;
  }

  /** Who this host is and where it listens is changed by one command at a time. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isChanging) {
      throw new FairleadError('BUSY', 'another command changes what this host is');
    }
    this.#isChanging = true;
    try {
      return await work();
    } finally {
      this.#isChanging = false;
    }
  }
}
