/** Links of a lab's host for an agent's parts that run in the test's own process; containers' ends lie in one namespace. */
import { z } from 'zod';
import type { Link, Links } from '../../../../lib/datapath/link/links.ts';
import type { LabHost } from '../../../lab/host.ts';
import { namespacePath } from '../../../lab/namespaces.ts';
import { cutCable, inNamespace, ipBatch, setKernel } from '../../../lab/site/cable.ts';
import { runOk } from '../../../lab/run.ts';
import type { Vantage } from '../../../lab/traffic/instrument.ts';

const shownSchema = z.array(
  z.object({
    ifindex: z.number().optional(),
    ifname: z.string(),
    ifalias: z.string().optional(),
    mtu: z.number(),
    flags: z.array(z.string()),
  }),
);

/** Containers of a host: a namespace with all their links. */
export interface Containers extends Vantage {
  readonly namespace: string;
}

/** Makes the namespace of a host's containers. It goes with the lab. */
export async function makeContainers(host: LabHost): Promise<Containers> {
  const namespace = `${host.namespace}-c`;
  await runOk(['ip', 'netns', 'add', namespace]);
  // nobody there answers or asks by itself
  await setKernel(namespace, ['net.ipv6.conf.default.disable_ipv6=1']);
  const { environment } = host;
  return { name: `${host.name}/containers`, net: namespacePath(namespace), environment, namespace };
}

/** The links of a host. */
export function labLinks(host: LabHost, containers: Containers): Links {
  const { namespace } = host;
  const none = () => Promise.resolve([]);
  const absent = () => Promise.reject(new Error('not in this test'));
  return {
    list: () => listLinks(namespace),
    get: async (name) => (await listLinks(namespace)).find((link) => link.name === name),
    async createVeth({ host: name, peer, mtu, alias }) {
      const there = await listLinks(namespace);
      if (there.some((link) => link.name === name)) {
        await ipBatch(namespace, [`link set ${name} alias ${alias} up`]);
        return;
      }
      const far = `peer name ${peer} netns ${containers.namespace} mtu ${mtu}`;
      await ipBatch(namespace, [
        `link add ${name} mtu ${mtu} type veth ${far}`,
        `link set ${name} alias ${alias} addrgenmode none`,
        `link set ${name} up`,
      ]);
      await ipBatch(containers.namespace, [`link set ${peer} up`]);
    },
    configure: (name, _alias, mtu) => ipBatch(namespace, [`link set ${name} mtu ${mtu} up`]),
    async remove(link) {
      await cutCable({ namespace, link });
      return true;
    },
    transmitChecksum: () => Promise.resolve(false),
    nic: absent,
    setNic: absent,
    connectedAddresses: absent,
    mark: absent,
    changeAddress: absent,
    changeRoute: absent,
    setNeighbour: absent,
    addresses: none,
    routes: none,
    neighbours: none,
    watch: absent as never,
    close: () => Promise.resolve(),
  };
}

async function listLinks(namespace: string): Promise<readonly Link[]> {
  const text = await runOk([...inNamespace(namespace), 'ip', '-j', 'link', 'show']);
  return shownSchema.parse(JSON.parse(text)).map((shown) => ({
    index: shown.ifindex ?? 0,
    name: shown.ifname,
    ...(shown.ifalias === undefined ? {} : { alias: shown.ifalias }),
    mac: '',
    mtu: shown.mtu,
    up: shown.flags.includes('UP'),
    running: true,
    promiscuous: false,
    group: 0,
  }));
}
