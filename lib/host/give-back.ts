/**
 * What the agent took of this host, given back with no agent running: links of infra networks, rules of the packet
 * filter, settings of the kernel, NICs. For who removes Fairlead: an agent that stops leaves all of it, since containers go on. Bridges and
 * what hangs on them are not touched; whoever removes them does it after this.
 */
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { bridgeName } from '../datapath/bridge.ts';
import { infraLinksIn } from '../datapath/infra/infra-links.ts';
import { openLinks, type Links } from '../datapath/link/links.ts';
import { KernelSettings } from '../datapath/outside/kernel-settings.ts';
import { hostFilter } from '../datapath/outside/packet-filter.ts';
import { runProgram } from '../datapath/outside/run-program.ts';
import { WayOut } from '../datapath/outside/way-out.ts';
import { OvsdbClient } from '../datapath/ovsdb/client.ts';
import { Uplinks } from '../datapath/uplink/uplinks.ts';
import { giveBackMs } from '../limits.ts';
import type { Logger } from '../log.ts';

/** Where to look. */
export interface GiveBackParts {
  /** Socket of ovsdb-server. */
  readonly ovsdbPath: string;
  /** The agent's `--run-dir`: what the kernel's settings were is noted there. */
  readonly runDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Gives it back; what is back already is left. Answers what is in the way of a NIC, a line each.
 * @throws OUTSIDE_FAILED, LINK_FAILED, OVS_DOWN, OVS_LOCKED while an agent runs, DEADLINE
 */
export async function giveBack(parts: GiveBackParts): Promise<readonly string[]> {
  const links = await openLinks(parts.clock);
  try {
    const problems = await giveBackUplinks(parts, links);
    for (const { name, alias } of infraLinksIn(await links.list())) await links.remove(name, alias);
    await giveBackWayOut(parts, links);
    return problems;
  } finally {
    await links.close();
  }
}

async function giveBackUplinks(
  { ovsdbPath, clock, log }: GiveBackParts,
  links: Links,
): Promise<readonly string[]> {
  const ovsdb = OvsdbClient.start({ path: ovsdbPath, clock, log });
  try {
    // an agent that runs would take the NICs again: it has the lock
    await ovsdb.ready();
    const nobody = (): void => undefined;
    const uplinks = new Uplinks({
      ...{ names: [], ovsdb, links, onDrift: nobody, onWire: nobody },
      log: log.child({ part: 'uplinks' }),
    });
    try {
      const problems = await uplinks.reconcile(AbortSignal.timeout(giveBackMs));
      return problems.map(({ message }) => message);
    } finally {
      uplinks.close();
    }
  } finally {
    await ovsdb.close();
  }
}

async function giveBackWayOut({ runDirectory, log }: GiveBackParts, links: Links): Promise<void> {
  const wayOut = new WayOut({
    ...{ blocks: [], links, filter: hostFilter(runProgram), bridge: bridgeName },
    settings: new KernelSettings(join(runDirectory, 'kernel-settings.json')),
    log: log.child({ part: 'outside' }),
  });
  await wayOut.decide({ isReached: false, isOut: false, subnets: [] });
  await wayOut.apply({ reachable: [], published: [] });
}
