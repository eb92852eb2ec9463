/**
 * The hosts of a site as an operator sees them, and the removal of one that is no member any more, or of one on a
 * store that is not ours, where nobody else says who is a member.
 */
import { FairleadError } from '../errors.ts';
import { decodeRecord } from '../model/record.ts';
import { nodeRange, removalRange } from '../model/site-keys.ts';
import { nodeSchema, removalSchema, type SiteNode } from '../model/site.ts';
import type { OpenedStore } from '../store/open.ts';
import { readRows } from './records.ts';
import type { Removals } from './removals.ts';

/** A host, and whether it is this one or being removed. */
export interface ListedNode extends SiteNode {
  readonly self: boolean;
  readonly removing: boolean;
}

/** What an operator can ask about hosts. */
export interface SiteNodes {
  /** By name. */
  list(): Promise<readonly ListedNode[]>;
  /**
   * Removes a host with all that it had. `isStopped`: somebody says that it does not run.
   * @throws NODE_NOT_STOPPED, NODE_UNKNOWN, CLUSTER_CHANGE (it is this one, or a member), CLUSTER_WAITING
   */
  remove(name: string, isStopped: boolean): Promise<void>;
}

/** The hosts of the site that a store keeps. */
export function siteNodes(opened: OpenedStore, removals: Removals): SiteNodes {
  const { store, hostName } = opened;
  const list = async (): Promise<readonly ListedNode[]> => {
    const marks = await readRows(store, removalRange);
    const leaving = new Set(marks.map((row) => decodeRecord(removalSchema, row).value.host));
    return (await readRows(store, nodeRange)).map((row) => {
      const { value } = decodeRecord(nodeSchema, row);
      return { ...value, self: value.name === hostName, removing: leaving.has(value.name) };
    });
  };
  return {
    list,
    async remove(name, isStopped) {
      await requireNoMember(opened, name);
      if (!isStopped) {
        throw new FairleadError(
          'NODE_NOT_STOPPED',
          `if ${name} runs, its containers go on with addresses that others are given`,
        );
      }
      if (await removals.mark(store, name)) return removals.gone(store, name);
      throw new FairleadError('NODE_UNKNOWN', `there is no host ${name}`);
    },
  };
}

async function requireNoMember({ hostName, cluster }: OpenedStore, name: string): Promise<void> {
  if (name === hostName) {
    throw new FairleadError('CLUSTER_CHANGE', `${name} is this host`, {
      fix: 'run it on another host',
    });
  }
  const members = cluster === undefined ? [] : (await cluster.status()).members;
  if (!members.some((member) => member.name === name)) return;
  throw new FairleadError('CLUSTER_CHANGE', `${name} is a member of the cluster`, {
    fix: `fairlead cluster remove ${name}`,
  });
}
