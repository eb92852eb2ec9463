/** Who leads and who else there is, as Contiv's `/info` said it. */
import type { ClusterOperations } from '../store/replicated/cluster.ts';
import type { SiteNodes } from './site-nodes.ts';

/** The answer to `/info`; addresses are those of tunnel endpoints. */
export interface SiteInfo {
  readonly 'current-state': 'leader' | 'follower';
  readonly 'leader-ip': string;
  readonly 'local-ip': string;
  readonly 'netmaster-nodes': readonly string[];
  readonly 'netplugin-nodes': readonly string[];
}

/** Finds it out. On a store that is not ours nobody leads, and every host is as good as the other. */
export async function siteInfo(
  nodes: SiteNodes,
  cluster: ClusterOperations | undefined,
): Promise<SiteInfo> {
  const [listed, status] = await Promise.all([nodes.list(), cluster?.status()]);
  const addressOf = (host: string | undefined): string =>
    listed.find(({ name }) => name === host)?.vtep ?? '';
  const self = listed.find((node) => node.self)?.name ?? status?.self;
  // a host alone needs nobody to lead
  const isAlone = status === undefined || status.members.length < 2;
  const leader = isAlone ? self : status.leader;
  const voters = status?.members.filter(({ role }) => role === 'voter').map(({ name }) => name);
  return {
    'current-state': leader === self ? 'leader' : 'follower',
    'leader-ip': addressOf(leader),
    'local-ip': addressOf(self),
    'netmaster-nodes': (voters ?? listed.map(({ name }) => name)).map(addressOf),
    'netplugin-nodes': listed.map(({ vtep }) => vtep),
  };
}
