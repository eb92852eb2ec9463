/** Asks everybody and puts the status together. Members that do not answer in time are shown without. */
import { clusterFactsMs } from '../../limits.ts';
import { keyFingerprint } from '../peer/authority.ts';
import type { MemberId } from '../raft/entry.ts';
import { localAuthority } from './admission.ts';
import type { ClusterStatus } from './cluster.ts';
import type { ClusterNode } from './node.ts';
import { factsOf } from './node-view.ts';
import type { MemberFacts } from './requests.ts';
import { clusterStatus, type PeerSight } from './status.ts';

/** The status of the cluster as this member sees it. */
export async function readStatus(node: ClusterNode): Promise<ClusterStatus> {
  const { engine, identity, rows, file, peers, options, loopState } = node;
  const { clock } = options;
  const status = engine.status();
  const members = rows.members();
  const facts = new Map<MemberId, MemberFacts>([[status.id, await factsOf(node)]]);
  const states = new Map((peers?.states() ?? []).map((state) => [state.member, state]));
  const late = new AbortController();
  const asking = members
    .filter(({ id }) => states.get(id)?.connected === true)
    .map(async ({ id }) => {
      const said = await engine.requests.facts(id).catch(() => undefined);
      if (said !== undefined && !late.signal.aborted) facts.set(id, said);
    });
  let confirmed = false;
  // who only believes to lead has no quorum, and an election takes a moment
  const confirming = engine.confirmQuorum().then(
    () => (confirmed = true),
    () => undefined,
  );
  await Promise.race([
    Promise.all([...asking, confirming]),
    clock.sleep(clusterFactsMs, late.signal).catch(() => undefined),
  ]);
  late.abort();
  const authority = localAuthority(engine)?.certificates[0];
  return clusterStatus({
    clusterId: identity.clusterId,
    epoch: identity.epoch,
    status: engine.status(),
    revision: engine.revision(),
    applied: engine.applied(),
    members,
    alarms: rows.alarms(),
    sights: sightsOf(node),
    facts,
    leaderless: !confirmed && engine.retired === undefined,
    wallMs: clock.wallMs(),
    waitingFor: loopState.waitingFor,
    listen: file?.listen,
    pin: authority === undefined ? undefined : keyFingerprint(authority),
    ending: engine.retired,
    doubt: node.doubt,
  });
}

/** Who is connected, and since when somebody was not heard of. */
function sightsOf({ peers, heard, options }: ClusterNode): ReadonlyMap<MemberId, PeerSight> {
  const nowMs = options.clock.monotonicMs();
  return new Map(
    (peers?.states() ?? []).map(({ member, connected }) => {
      const at = connected ? nowMs : heard.get(member);
      return [member, { connected, lastContactMs: at === undefined ? undefined : nowMs - at }];
    }),
  );
}
