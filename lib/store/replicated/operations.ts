/**
 * The operations of a cluster on this host. Each checks first, changes by one transaction, then waits
 * until the change has come about; what takes long is done by the leader's loop and goes on without us.
 */
import { FairleadError } from '../../errors.ts';
import { clusterChangeWaitMs, clusterLoopMs } from '../../limits.ts';
import { planAnnounce, planFound, planLeave, planSetRole } from '../membership/members.ts';
import { membersOf } from '../membership/read.ts';
import { authorityKey, memberRange, type Member, type MemberRole } from '../membership/rows.ts';
import { planAuthority, planReplaceAuthority, planToken } from '../membership/tokens.ts';
import { keyFingerprint, makeAuthority, makeKeyPair } from '../peer/authority.ts';
import { parseAddress } from '../peer/address.ts';
import { makeSealKey, seal } from '../peer/sealed.ts';
import { formatJoinToken, joinSecretHash, makeJoinSecret } from '../peer/token.ts';
import { runPlan } from '../run-plan.ts';
import { certify, localAuthority } from './admission.ts';
import type {
  ClusterOperations,
  ClusterStatus,
  ListenWish,
  RecoveryReport,
  TokenAnswer,
} from './cluster.ts';
import { Joining } from './joining.ts';
import { aliveMembers } from './member-loop.ts';
import type { ClusterNode } from './node.ts';
import { admissionOf } from './node-view.ts';
import { advertised, listenDefault } from './own-addresses.ts';
import type { PeerFile } from './peer-file.ts';
import { Recovering } from './recovering.ts';
import { readStatus } from './read-status.ts';

/** The operations on a node. */
export class NodeOperations implements ClusterOperations {
  readonly #node: ClusterNode;
  readonly #joining: Joining;
  readonly #recovering: Recovering;

  constructor(node: ClusterNode) {
    this.#node = node;
    this.#joining = new Joining(node);
    this.#recovering = new Recovering(node);
  }

  status(): Promise<ClusterStatus> {
    return readStatus(this.#node);
  }

  async init(wish: ListenWish): Promise<ClusterStatus> {
    await this.#goPublic(wish);
    return this.status();
  }

  async token(
    wish: ListenWish & { readonly role: MemberRole; readonly ttlMs: number; readonly uses: number },
  ): Promise<TokenAnswer> {
    const { clock } = this.#node.options;
    const file =
      this.#node.file === undefined || wish.listen !== undefined || wish.advertise !== undefined
        ? await this.#goPublic(wish)
        : this.#node.file;
    const secret = makeJoinSecret();
    const { role, uses } = wish;
    const expiresAtMs = clock.wallMs() + wish.ttlMs;
    const row = { hash: joinSecretHash(secret), role, expiresAtMs, usesLeft: uses };
    await runPlan(this.#node.engine.system, () => planToken(row, clock.wallMs()));
    const addresses = await this.#doors(file);
    const token = formatJoinToken({
      clusterId: file.clusterId,
      pin: keyFingerprint(localAuthority(this.#node.engine)?.certificates[0] ?? ''),
      secret,
      expiresMs: expiresAtMs,
      role,
      addresses: addresses.map(parseAddress),
    });
    return { token, role, expiresAtMs, uses, addresses };
  }

  join(wish: ListenWish & { readonly token: string }): Promise<ClusterStatus> {
    return this.#joining.join(wish).then(() => this.#arrived());
  }

  joinRequest(wish: ListenWish): Promise<string> {
    return this.#joining.request(wish);
  }

  async joinAnswer(request: string, role: MemberRole): Promise<string> {
    if (this.#node.file === undefined) await this.#goPublic({});
    return this.#joining.answer(request, role);
  }

  joinAccept(answer: string, pin: string | undefined): Promise<ClusterStatus> {
    return this.#joining.accept(answer, pin).then(() => this.#arrived());
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
    if (!force) await this.#checkMajority(name);
    const { id } = await runPlan(this.#node.engine.system, () => planLeave(name));
    await this.#until(`${name} to be removed`, () => this.#isGone(id));
    return this.status();
  }

  async leave(): Promise<ClusterStatus> {
    const node = this.#node;
    const { memberId } = node.identity;
    if (node.engine.retired === undefined) {
      const own = node.rows.members().find(({ id }) => id === memberId);
      if (own === undefined || node.rows.members().length === 1) {
        throw new FairleadError('CLUSTER_CHANGE', 'this host is alone: there is nothing to leave', {
          fix: 'none needed',
        });
      }
      await this.#checkMajority(own.name);
      await runPlan(node.engine.system, () => planLeave(own.name));
      await this.#until('this host to be let go', () => this.#isGone(memberId));
    }
    await node.reopen(() => node.leaveBehind());
    await this.foundIfAlone();
    return this.status();
  }

  async transfer(to: string | undefined): Promise<ClusterStatus> {
    const { engine, rows } = this.#node;
    const { leader, id, config } = engine.status();
    const named = rows.members().find(({ name }) => name === to);
    if (to !== undefined && named === undefined) {
      throw new FairleadError('MEMBER_UNKNOWN', `the cluster has no member ${to}`);
    }
    const heir = config.voters.find((one) => one !== leader && !config.witnesses.includes(one));
    const target = named?.id ?? heir;
    if (target === undefined || !config.voters.includes(target)) {
      throw new FairleadError('CLUSTER_CHANGE', 'there is no such voter to lead', {
        fix: 'promote one first: fairlead cluster promote NAME',
      });
    }
    if (target === leader) return this.status();
    if (leader === undefined) throw new FairleadError('QUORUM_LOST', 'the cluster has no leader');
    if (leader === id) await this.#handOver(target);
    else await engine.requests.transfer(leader, target);
    await this.#until('the new leader', () => engine.status().leader === target);
    return this.status();
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
      this.#node.rows.members().every(({ certificatePin }) => certificatePin === pin),
    );
    return this.status();
  }

  snapshot(): AsyncIterable<string> {
    return this.#recovering.snapshot();
  }

  recover(stopped: readonly string[], dryRun: boolean): Promise<RecoveryReport> {
    return this.#recovering.recover(stopped, dryRun);
  }

  async restore(lines: AsyncIterable<string>): Promise<ClusterStatus> {
    await this.#recovering.restore(lines);
    await this.foundIfAlone();
    return this.status();
  }

  isAlone(): boolean {
    const { engine, identity } = this.#node;
    const { voters, learners } = engine.status().config;
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
    await runPlan(engine.system, () => planFound(first));
  }

  /** Opens the listener; makes authority, certificate and peer file where there are none. */
  async #goPublic(wish: ListenWish): Promise<PeerFile> {
    const node = this.#node;
    const before = node.file;
    const listen = wish.listen ?? before?.listen ?? listenDefault;
    const advertise = [...(wish.advertise ?? advertised(listen))];
    if (advertise.length === 0) {
      throw new FairleadError('ADDRESS_INVALID', 'this host has no address that others could use', {
        fix: 'give one with --advertise ADDRESS:PORT',
      });
    }
    const file: PeerFile =
      before === undefined
        ? { ...(await this.#firstFile()), listen, advertise }
        : { ...before, listen, advertise };
    await node.present(file);
    const { memberId } = node.identity;
    await runPlan(node.engine.system, () => planAnnounce(memberId, { addresses: advertise }));
    return file;
  }

  async #firstFile(): Promise<Omit<PeerFile, 'listen' | 'advertise'>> {
    const { engine, identity, options, rows } = this.#node;
    const { clusterId, epoch, memberId, dataId } = identity;
    const made = makeAuthority(clusterId, options.clock.wallMs());
    const sealKey = makeSealKey();
    const sealedKey = seal(sealKey, authorityKey, made.privateKey);
    const fresh = { certificates: [made.certificate], sealedKey };
    // one that an interrupted init has left cannot be opened by anybody
    const left = localAuthority(engine);
    if (left === undefined) await runPlan(engine.system, () => planAuthority(fresh));
    else await runPlan(engine.system, () => planReplaceAuthority(left, fresh));
    const keys = makeKeyPair();
    const admission = { ...admissionOf(this.#node), sealKey: () => sealKey };
    const certificate = await certify(memberId, keys.publicKey, admission);
    return {
      format: 1,
      clusterId,
      epoch,
      memberId,
      dataId,
      storeMade: true,
      name: rows.members()[0]?.name ?? options.hostName,
      role: 'voter',
      privateKey: keys.privateKey,
      certificate,
      authorities: [made.certificate],
      sealKey,
      seeds: [],
    };
  }

  /** Where hosts may come in: addresses of voters, this host first if it is one. */
  async #doors(file: PeerFile): Promise<readonly string[]> {
    const { engine, identity } = this.#node;
    const { rows } = await engine.system.range(memberRange);
    const voters = membersOf(rows)
      .map(({ value }) => value)
      .filter(({ role, leaving }) => role === 'voter' && !leaving)
      .toSorted((one) => (one.id === identity.memberId ? -1 : 1));
    const own = file.sealKey === undefined ? [] : file.advertise;
    const all = [...own, ...voters.flatMap(({ addresses }) => addresses)];
    return [...new Set(all)].slice(0, 8);
  }

  async #handOver(target: string): Promise<void> {
    const { driver } = this.#node.engine;
    const outcome = await new Promise<{ readonly kind: string; readonly why?: string }>((resolve) =>
      driver.transfer(target, resolve),
    );
    if (outcome.kind !== 'refused') return;
    throw new FairleadError('CLUSTER_CHANGE', `leadership was not handed over: ${outcome.why}`);
  }

  /** Taking out a living voter while others are down could leave no majority. */
  async #checkMajority(name: string): Promise<void> {
    const { engine, rows } = this.#node;
    const status = engine.status();
    const member = rows.members().find((one) => one.name === name);
    if (member === undefined || !status.config.voters.includes(member.id)) return;
    if (status.leader === undefined) {
      throw new FairleadError('QUORUM_LOST', 'the cluster has no leader: nobody can be removed');
    }
    const sights = await readStatus(this.#node);
    const alive = new Set(sights.members.filter(({ connected }) => connected).map(({ id }) => id));
    for (const id of status.role === 'leader' ? aliveMembers(status, engine.tickMs) : [])
      alive.add(id);
    const rest = status.config.voters.filter((id) => id !== member.id);
    const living = rest.filter((id) => alive.has(id));
    if (living.length * 2 > rest.length) return;
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
    const { clock } = this.#node.options;
    const deadlineMs = clock.monotonicMs() + clusterChangeWaitMs;
    while (!reached()) {
      if (clock.monotonicMs() > deadlineMs) {
        throw new FairleadError('CLUSTER_WAITING', `waited for ${what}; it goes on by itself`);
      }
      await clock.sleep(clusterLoopMs / 5);
    }
  }
}
