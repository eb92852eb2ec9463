/**
 * The store that an agent was told to use, opened: our own, replicated between agents, or an etcd. Nobody
 * above knows the difference, but that only our own has a cluster to look after.
 */
import type { Clock } from '../clock.ts';
import type { FairleadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { openEtcdUrl } from './etcd/open-url.ts';
import type { StateStore } from './port.ts';
import type { ClusterOperations } from './replicated/cluster.ts';
import { timingDefault } from './replicated/member-store.ts';
import { ClusterNode } from './replicated/node.ts';
import type { MemberRemains } from './replicated/node-options.ts';
import { NodeOperations } from './replicated/operations.ts';
import type { StoreUrl } from './store-url.ts';

/** Which store. */
export type StoreChoice = { readonly engine: 'embedded' } | StoreUrl;

/** How to open it. */
export interface OpenStoreOptions {
  readonly choice: StoreChoice;
  /** Of the agent; our own store lies in it. */
  readonly dataDirectory: string;
  readonly hostName: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether a row is work of this host that joining another cluster would lose. */
  readonly blocksJoin: (key: string) => boolean;
  /** The store is dead: the process has to end. */
  readonly onFatal: (error: FairleadError) => void;
  readonly remains: MemberRemains;
}

/** An open store. */
export interface OpenedStore {
  readonly store: StateStore;
  /** Name by which this host's own rows are told from those of others. Never changes for a member. */
  readonly hostName: string;
  /** Which member of which cluster the host is now: another text when it has become another. */
  identity(): string;
  /** Why others take this host for a copy of another, if so. */
  doubt(): FairleadError | undefined;
  /** Of our own store. */
  readonly cluster: ClusterOperations | undefined;
  close(): Promise<void>;
}

/**
 * Opens the store.
 * @throws STORE_*, SOCKET_*, PEER_CERTIFICATE
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { choice, clock, log, hostName } = options;
  if (choice.engine === 'etcd') {
    const store = await openEtcdUrl(choice, { clock, log, onFatal: options.onFatal });
    const identity = (): string => 'etcd';
    const doubt = (): undefined => undefined;
    return { store, hostName, identity, doubt, cluster: undefined, close: () => store.close() };
  }
  const node = await ClusterNode.open({ ...options, timing: timingDefault });
  const cluster = new NodeOperations(node);
  await cluster.foundIfAlone();
  return {
    store: node.store,
    hostName: node.memberName,
    identity: () => {
      const { clusterId, epoch, memberId } = node.identity;
      return `${clusterId} ${epoch} ${memberId}`;
    },
    doubt: () => node.doubt,
    cluster,
    close: () => node.close(),
  };
}
