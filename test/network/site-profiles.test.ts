/** Network profiles in the view of a site: whose limits they are, and what a change of one touches. */
import { describe, expect, it } from 'vitest';
import { SiteView, type RowChange, type SiteChange } from '../../lib/network/site-view.ts';
import { hex, row } from '../support/site-row.ts';

const put = (key: string, value: object): RowChange => ({
  type: 'put',
  row: row(key, value),
});

const network = put('/network/t/n', {
  tenant: 't',
  name: 'n',
  number: 7,
  encapsulation: { kind: 'vxlan', vni: 9 },
  subnets: [{ cidr: '10.1.0.0/24', gateway: '10.1.0.254' }],
  internal: false,
  outside: true,
  mode: 'routing',
  arp: 'proxy',
  options: {},
  createdBy: 'docker',
});
const dockerNetwork = (id: string, group?: string) =>
  put(`network/${hex(id)}`, {
    id: hex(id),
    internal: false,
    tag: 5,
    mtu: 1400,
    subnets: [{ addressSpace: 's', cidr: '10.1.0.0/24', auxiliary: {} }],
    options: {},
    site: { tenant: 't', network: 'n' },
    ...(group === undefined ? {} : { group }),
  });
const endpoint = (networkId: string, id: number) =>
  put(`endpoint/${hex(networkId)}/${hex(id)}`, {
    id: hex(id),
    networkId: hex(networkId),
    ipv4: `10.1.0.${id}/24`,
    mac: `02:00:00:00:00:0${id}`,
    macDerived: true,
    state: 'joined',
  });
/** What its host tells of a container of this host. */
const labelled = (networkId: string, id: number, labels: Record<string, string>) =>
  put(`/endpoint/t/n/${hex(id)}`, {
    ...{ id: hex(id), host: 'a', mac: `02:00:00:00:00:0${id}`, ipv4: `10.1.0.${id}` },
    dockerNetworkId: hex(networkId),
    container: { id: 'c', name: '/c', labels },
  });
const group = (
  groupName: string,
  number: number,
  netProfile?: string,
  selectors: readonly string[] = [],
) =>
  put(`/object/endpointGroup/t/${groupName}`, {
    config: {
      tenantName: 't',
      groupName,
      networkName: 'n',
      selectors,
      ...(netProfile === undefined ? {} : { netProfile }),
    },
    number,
  });
const profileKey = (profileName: string): string =>
  `/object/netprofile/t/${encodeURIComponent(profileName)}`;
const profile = (profileName: string, given: object) =>
  put(profileKey(profileName), { config: { tenantName: 't', profileName, ...given } });

/** What is said of endpoints of this host: which, and how much they may send and get. */
const told = (changes: readonly SiteChange[]) =>
  changes.map(({ kind, id, value }) => [
    kind === 'local' ? Number(id) : kind,
    value !== undefined && 'profile' in value ? value.profile : undefined,
  ]);

const sends = (rate: number, name = 'p') => ({
  key: `t:${name}`,
  out: { limit: { rate, burst: rate }, dscp: undefined },
  in: undefined,
  sharedBy: undefined,
});

function siteWith(...more: readonly RowChange[]): SiteView {
  const view = new SiteView('a');
  view.apply([
    put('/tenant/t', { name: 't', number: 3 }),
    network,
    dockerNetwork('d1', 'web'),
    dockerNetwork('d2', 'db'),
    ...more,
    endpoint('d1', 1),
    endpoint('d2', 2),
  ]);
  return view;
}

describe('a network profile', () => {
  it('is for the members here of the groups that name it, whatever its name', () => {
    const name = 'a name/with: all';
    const view = siteWith(group('web', 11, name), group('db', 12));
    expect(told(view.apply([profile(name, { bandwidth: '20mbps' })]))).toEqual([
      [1, sends(20_971, name)],
    ]);
    expect(told(view.apply([profile('other', { bandwidth: '1mbps' })]))).toEqual([]);
  });

  it('changes for who has it, and is nothing when it is gone or says nothing', () => {
    const view = siteWith(group('web', 11, 'p'), group('db', 12, 'p'), profile('p', { DSCP: 1 }));
    expect(told(view.apply([profile('p', { bandwidth: '1000k' })]))).toEqual([
      [1, sends(1_024)],
      [2, sends(1_024)],
    ]);
    expect(told(view.apply([profile('p', { bandwidth: '1000k' })]))).toEqual([]);
    expect(told(view.apply([profile('p', { burst: 80 })]))).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
    view.apply([profile('p', { bandwidth: '5m' })]);
    expect(told(view.apply([{ type: 'delete', key: profileKey('p') }]))).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
  });

  it('comes and goes with what a group names, without a moment in which the endpoint is not there', () => {
    const view = siteWith(group('web', 11), group('db', 12), profile('p', { bandwidth: '5m' }));
    expect(told(view.apply([group('web', 11, 'p')]))).toEqual([[1, sends(5_242)]]);
    // its row comes later
    expect(told(view.apply([group('web', 11, 'q')]))).toEqual([[1, undefined]]);
    expect(told(view.apply([profile('q', { bandwidth: '1m', sharing: 'group' })]))).toEqual([
      [1, { ...sends(1_048, 'q'), sharedBy: 11 }],
    ]);
    expect(told(view.apply([group('web', 11)]))).toEqual([[1, undefined]]);
  });

  it('is for who is in the group by labels, as long as it is', () => {
    const web = (...selectors: readonly string[]) => group('web', 11, 'p', selectors);
    const view = siteWith(
      dockerNetwork('d3'),
      endpoint('d3', 3),
      labelled('d3', 3, { app: 'web', env: 'test' }),
      group('db', 12, 'q', ['app=db']),
      profile('p', { bandwidth: '5m' }),
      profile('q', { bandwidth: '1m' }),
    );
    expect(told(view.apply([web('app=web')]))).toContainEqual([3, sends(5_242)]);
    expect(told(view.apply([profile('p', { bandwidth: '1000k' })]))).toContainEqual([
      3,
      sends(1_024),
    ]);
    expect(told(view.apply([web('app=web', 'env=live')]))).toEqual([[3, undefined]]);
    expect(told(view.apply([labelled('d3', 3, { app: 'db' })]))).toEqual([[3, sends(1_048, 'q')]]);
    expect(told(view.apply([{ type: 'delete', key: '/object/endpointGroup/t/db' }]))).toEqual([
      [2, undefined],
      ['group', undefined],
      [3, undefined],
    ]);
  });

  it('is there again after a watch was lost', () => {
    const rows = [
      put('/tenant/t', { name: 't', number: 3 }),
      network,
      dockerNetwork('d1', 'web'),
      group('web', 11, 'p'),
      profile('p', { bandwidth: '5m' }),
      endpoint('d1', 1),
    ].flatMap((change) => (change.type === 'put' ? [change.row] : []));
    const view = new SiteView('a');
    view.restart(rows);
    expect(told(view.restart(rows))).toEqual([]);
    const later = rows.filter(({ key }) => key !== profileKey('p'));
    expect(told(view.restart(later))).toEqual([[1, undefined]]);
  });
});
