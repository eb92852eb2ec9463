/** What people do to a switch by hand, so that it is not as it should be. */
import type { Random } from '../../../sim/random.ts';
import type { LabHost } from '../../../lab/host.ts';
import { vsctlOk } from '../../../support/ovs.ts';
import { portsOf, type RigHost } from './rig.ts';
import { linkNames } from '../../../../lib/network/port.ts';

const bridge = 'br-fairlead';

async function ofctl(host: LabHost, words: readonly string[]): Promise<void> {
  const [command = '', ...rest] = words;
  const path = host.ovsDb.replace(/db\.sock$/, `${bridge}.mgmt`);
  const { code, stderr } = await host.ovsOfctl([command, path, ...rest]);
  if (code !== 0) throw new Error(`ovs-ofctl ${words.join(' ')}: ${stderr.trim()}`);
}

/** One thing done by hand; what it is, in words, and which count tells that it was put right. */
export interface Meddling {
  readonly what: string;
  readonly counted: 'flows' | 'ports';
}

type Deed = (host: RigHost, random: Random) => Promise<Meddling | undefined>;

const flowDeed =
  (what: string, words: (random: Random) => readonly string[]): Deed =>
  async ({ host }, random) => {
    await ofctl(host, words(random));
    return { what: `${what} on ${host.name}`, counted: 'flows' };
  };

/** Open vSwitch tells of all of these. */
const deeds: readonly Deed[] = [
  flowDeed('all flows of a table deleted', (random) => [
    'del-flows',
    `table=${random.pick([20, 30, 71])}`,
  ]),
  flowDeed('a flow added', (random) => [
    'add-flow',
    `table=${random.below(80)},priority=${300 + random.below(9)},ip,actions=drop`,
  ]),
  flowDeed('flows made to drop', (random) => [
    'mod-flows',
    `table=${random.pick([30, 71])},actions=drop`,
  ]),
  flowDeed('all flows deleted', () => ['del-flows']),
  flowDeed('all meters deleted, and with them the flows that use them', () => ['del-meters']),
  async ({ host, connection }) => {
    // with them go the flows that use them, which is told
    if ((await connection.groups()).length === 0) return undefined;
    await ofctl(host, ['del-groups']);
    return { what: `all groups deleted on ${host.name}`, counted: 'flows' };
  },
  async (rig, random) => {
    const ids = [...portsOf(rig).keys()];
    if (ids.length === 0) return undefined;
    const port = linkNames(random.pick(ids)).host;
    const command = random.pick([
      `set Port ${port} tag=7`,
      `set Port ${port} vlan_mode=access`,
      `del-port ${port}`,
    ]);
    await vsctlOk(rig.host, command);
    return { what: `ovs-vsctl ${command} on ${rig.host.name}`, counted: 'ports' };
  },
  async ({ host }) => {
    await vsctlOk(host, `set-fail-mode ${bridge} standalone`);
    return { what: `fail mode of ${host.name} changed`, counted: 'ports' };
  },
];

/** Does something by hand. */
export async function meddle(host: RigHost, random: Random): Promise<Meddling> {
  for (;;) {
    const done = await random.pick(deeds)(host, random);
    if (done !== undefined) return done;
  }
}

/** What Open vSwitch tells nobody: only the look now and then finds it. Answers what was done. */
export async function meddleQuietly({ host }: RigHost): Promise<void> {
  await ofctl(host, ['add-group', 'group_id=77777777,type=all,bucket=actions=drop']);
  await ofctl(host, ['add-meter', 'meter=777,pktps,bands=type=drop,rate=7']);
}
