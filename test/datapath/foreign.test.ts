/** What of others is in the way of our bridge and tunnel. */
import { beforeEach, describe, expect, it } from 'vitest';
import { observeForeign, type ForeignSurroundings } from '../../lib/datapath/foreign.ts';
import type { Row } from '../../lib/datapath/ovsdb/schema.ts';
import type { Uuid } from '../../lib/datapath/ovsdb/values.ts';

const uuidOf = (number: number): Uuid =>
  `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const ours = new Map([['owner', 'fairlead']]);
const nothing: ForeignSurroundings = { udpPort: 4789, links: [] };

const bridges = new Map<Uuid, Row<'Bridge'>>();
const ports = new Map<Uuid, Row<'Port'>>();
const interfaces = new Map<Uuid, Row<'Interface'>>();
let numbers = 0;

interface Wish {
  readonly options?: Readonly<Record<string, string>>;
  readonly type?: string;
  readonly isOurs?: boolean;
  readonly error?: string;
}

/** A bridge with a port of its own name. */
function addBridge(name: string): Uuid {
  const uuid = uuidOf(++numbers);
  const ids = name === 'br-fairlead' ? ours : new Map<string, string>();
  const row = { name, ports: new Set<Uuid>(), external_ids: ids };
  bridges.set(uuid, row as unknown as Row<'Bridge'>);
  addPort(uuid, name, { isOurs: name === 'br-fairlead' });
  return uuid;
}

function addPort(bridge: Uuid, name: string, wish: Wish = {}): void {
  const [port, link] = [uuidOf(++numbers), uuidOf(++numbers)];
  const ids = wish.isOurs === true ? ours : new Map<string, string>();
  const common = { name, external_ids: ids };
  interfaces.set(link, {
    ...common,
    type: wish.type ?? '',
    options: new Map(Object.entries(wish.options ?? {})),
    error: wish.error,
  } as unknown as Row<'Interface'>);
  ports.set(port, { ...common, interfaces: new Set([link]) } as unknown as Row<'Port'>);
  (bridges.get(bridge)?.ports as Set<Uuid> | undefined)?.add(port);
}

const look = (around: Partial<ForeignSurroundings> = {}) => {
  const [first] = bridges;
  if (first === undefined) throw new Error('there is no bridge');
  const bridge = { uuid: first[0], row: first[1] };
  return observeForeign({ bridges, ports, interfaces }, bridge, { ...nothing, ...around });
};

let own: Uuid;
let other: Uuid;
beforeEach(() => {
  for (const rows of [bridges, ports, interfaces]) rows.clear();
  own = addBridge('br-fairlead');
  other = addBridge('br-other');
  addPort(own, 'fl-vxlan', { isOurs: true, type: 'vxlan', options: { dst_port: '4789' } });
  addPort(own, 'fh-1', { isOurs: true });
  addPort(other, 'eth1');
});

describe('what of others is in the way', () => {
  it('is nothing where others keep to themselves', () => {
    addPort(other, 'vx', { type: 'vxlan', options: { dst_port: '8472' } });
    addPort(other, 'gre', { type: 'gre' });
    const links = [
      { name: 'vx9', kind: 'vxlan', udpPort: 8472 },
      { name: 'vxlan_sys_4789', kind: 'vxlan', udpPort: 4789 },
      { name: 'eth0' },
    ];
    expect(look({ links })).toEqual({ tunnelError: undefined, tunnels: [], ports: [] });
  });

  it('is every tunnel on our UDP port, which is the standard one where none is said', () => {
    addPort(other, 'vx', { type: 'vxlan', options: { remote_ip: '192.0.2.1' } });
    addPort(own, 'vy', { type: 'vxlan', options: { dst_port: '4789' } });
    const links = [{ name: 'flannel.1', kind: 'vxlan', udpPort: 4789 }];
    expect(look({ links }).tunnels).toEqual([
      'link flannel.1 of the kernel',
      'port vx of bridge br-other',
      'port vy of bridge br-fairlead',
    ]);
    expect(look({ links, udpPort: 4790 }).tunnels).toEqual([]);
    expect(look({ links, udpPort: undefined }).tunnels).toEqual([]);
  });

  it('is what keeps our own tunnel from working', () => {
    const [, tunnel] = [...interfaces.values()].filter(({ external_ids: ids }) => ids === ours);
    expect(tunnel?.name).toBe('fl-vxlan');
    Object.assign(tunnel ?? {}, { error: 'could not add it (File exists)' });
    expect(look().tunnelError).toBe('could not add it (File exists)');
    expect(look({ udpPort: undefined }).tunnelError).toBeUndefined();
  });

  it('is every port on our bridge that is not ours', () => {
    addPort(own, 'veth7');
    addPort(own, 'eth2');
    expect(look().ports).toEqual(['eth2', 'veth7']);
  });
});
