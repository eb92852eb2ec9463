/** What each command asks of the server, and what it prints when all is well. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { playServer, type PlayedServer } from './played-server.ts';

const networks = [
  {
    key: 'default:net1',
    tenantName: 'default',
    networkName: 'net1',
    nwType: 'data',
    encap: 'vxlan',
    subnet: '10.1.1.0/24',
    gateway: '10.1.1.254',
    'link-sets': {},
    links: { Tenant: { type: 'tenant', key: 'default' } },
  },
  { tenantName: 'blue', networkName: 'web', encap: 'vlan', pktTag: 12, subnet: '10.1.1.0/24' },
];
const rule = (ruleId: string, priority: number, fields: object) => ({
  tenantName: 'default',
  policyName: 'web',
  ruleId,
  priority,
  action: 'allow',
  ...fields,
});

const answers = {
  'GET /api/v1/tenants/': [{ tenantName: 'default', key: 'default' }, { tenantName: 'blue-sky' }],
  'GET /api/v1/networks/': networks,
  'GET /api/v1/inspect/networks/default:net1/': {
    Oper: { pktTag: 1, allocatedIPAddresses: '10.1.1.254', numEndpoints: 0, networkTag: '' },
    Config: networks[0],
    Other: 1,
  },
  'GET /api/v1/endpointGroups/': [
    {
      groupName: 'web',
      tenantName: 'default',
      networkName: 'net1',
      policies: ['one', 'two'],
      netProfile: 'slow',
      ipPool: '10.1.1.1-10.1.1.9',
    },
  ],
  'GET /api/v1/policys/': [{ tenantName: 'default', policyName: 'web' }],
  'GET /api/v1/rules/': [
    rule('9', 10, { direction: 'in', protocol: 'tcp', port: 80, fromEndpointGroup: 'app' }),
    rule('2', 1, { direction: 'in', action: 'deny' }),
    rule('3', 5, { direction: 'out', toIpAddress: '10.2.0.0/16' }),
    rule('4', 1, { direction: 'in', policyName: 'other' }),
  ],
  'GET /api/v1/netprofiles/': [
    { tenantName: 'default', profileName: 'slow', bandwidth: '10 kb', DSCP: 5, burst: 80 },
    { tenantName: 'default', profileName: 'fast', bandwidth: '20g', burst: 2 },
    { tenantName: 'default', profileName: 'marked', DSCP: 6, burst: 7 },
  ],
  'GET /api/v1/appProfiles/': [
    { tenantName: 'default', appProfileName: 'shop', endpointGroups: ['web', 'app'] },
  ],
  'GET /api/v1/appProfiles/default:shop/': {
    tenantName: 'default',
    appProfileName: 'shop',
    endpointGroups: ['web', 'app'],
  },
  'GET /api/v1/extContractsGroups/': [
    {
      tenantName: 'default',
      contractsGroupName: 'ext',
      contractsType: 'provided',
      contracts: ['a', 'b'],
    },
  ],
  'GET /api/v1/serviceLBs/': [
    {
      tenantName: 'default',
      serviceName: 'web',
      networkName: 'net1',
      selectors: ['app=web', 'tier=1'],
    },
  ],
  'GET /api/v1/globals/': [
    {
      key: 'global',
      name: 'global',
      networkInfraType: 'default',
      fwdMode: 'bridge',
      arpMode: 'proxy',
      vlans: '1-4094',
      vxlans: '1-10000',
      pvtSubnet: '172.20.0.0/16',
    },
  ],
  'GET /api/v1/globals/global/': { name: 'global', fwdMode: 'bridge', pvtSubnet: '172.20.0.0/16' },
  'GET /api/v1/aciGws/': [{ name: 'aciGw', enforcePolicies: 'yes', pathBindings: 'p' }],
  'GET /api/v1/Bgps/': [
    {
      hostname: 'edge-1',
      routerip: '50.1.1.1/24',
      as: '65001',
      neighbor: '50.1.1.2',
      'neighbor-as': '65002',
    },
  ],
  'GET /api/v1/inspect/endpoints/abc/': {
    Oper: { ipAddress: ['10.1.1.1', ''], endpointID: 'abc' },
  },
  'GET /version': { GitCommit: 'abc', Version: '1.2', BuildTime: 'now' },
};

let server: PlayedServer;
beforeAll(async () => {
  server = await playServer(answers);
});
afterAll(() => server.close());
let before = 0;
beforeEach(() => {
  before = server.asked.length;
});
const asked = () => server.asked.slice(before).map(({ line }) => line);

const tenant = 'GET /api/v1/tenants/default/';
const noLinks = (...names: readonly string[]) =>
  `"link-sets":{}${names.length === 0 ? '' : `,"links":{${names.map((name) => `"${name}":{}`).join(',')}}`}`;

describe.each([
  [
    'tenant create blue',
    [`POST /api/v1/tenants/blue/ {"tenantName":"blue",${noLinks()}}`],
    'Creating tenant: blue\n',
  ],
  ['tenant rm blue', ['DELETE /api/v1/tenants/blue/'], 'Deleting tenant blue\n'],
  ['tenant delete blue', ['DELETE /api/v1/tenants/blue/'], 'Deleting tenant blue\n'],
  ['tenant ls', ['GET /api/v1/tenants/'], 'Name      \n------    \ndefault   \nblue-sky  \n'],
  ['tenant list -q', ['GET /api/v1/tenants/'], 'default\nblue-sky\n'],
  [
    'tenant inspect blue',
    ['GET /api/v1/inspect/tenants/blue/'],
    '{\n  "Config": {\n    "link-sets": {}\n  },\n  "Oper": {}\n}\n',
  ],
  [
    'net create -s 10.1.1.0/24 -g 10.1.1.254 net1',
    [
      `POST /api/v1/networks/default:net1/ {"encap":"vxlan","gateway":"10.1.1.254","networkName":"net1","nwType":"data","subnet":"10.1.1.0/24","tenantName":"default",${noLinks('Tenant')}}`,
    ],
    'Creating network default:net1\n',
  ],
  [
    'network create net1 -t blue -e vlan -p 0x10 -n infra -s 10.1.1.0/24 --s6 fd00::/64 --g6 fd00::1 --tag n1',
    [
      `POST /api/v1/networks/blue:net1/ {"cfgdTag":"n1","encap":"vlan","ipv6Gateway":"fd00::1","ipv6Subnet":"fd00::/64","networkName":"net1","nwType":"infra","pktTag":16,"subnet":"10.1.1.0/24","tenantName":"blue",${noLinks('Tenant')}}`,
    ],
    'Creating network blue:net1\n',
  ],
  ['net rm -t blue net1', ['DELETE /api/v1/networks/blue:net1/'], 'Deleting network blue:net1\n'],
  [
    'net ls',
    [tenant, 'GET /api/v1/networks/'],
    `Tenant   Network  Nw Type  Encap type  Packet tag  Subnet       Gateway     IPv6Subnet  IPv6Gateway  Cfgd Tag \n------   -------  -------  ----------  ----------  -------      ------      ----------  -----------  ---------\ndefault  net1     data     vxlan       0           10.1.1.0/24  10.1.1.254                           \n`,
  ],
  ['net ls -a -q', [tenant, 'GET /api/v1/networks/'], 'net1\nweb\n'],
  ['net ls -q -t blue', ['GET /api/v1/tenants/blue/', 'GET /api/v1/networks/'], 'web\n'],
  ['net ls -j -t red', ['GET /api/v1/tenants/red/', 'GET /api/v1/networks/'], '[]\n'],
  [
    'net inspect net1',
    ['GET /api/v1/inspect/networks/default:net1/'],
    `{
  "Config": {
    "key": "default:net1",
    "encap": "vxlan",
    "gateway": "10.1.1.254",
    "networkName": "net1",
    "nwType": "data",
    "subnet": "10.1.1.0/24",
    "tenantName": "default",
    "link-sets": {},
    "links": {
      "Tenant": {
        "type": "tenant",
        "key": "default"
      }
    }
  },
  "Oper": {
    "allocatedIPAddresses": "10.1.1.254",
    "pktTag": 1
  }
}
`,
  ],
  [
    'group create -p one -p two -n slow -e ext -r 10.1.1.1-10.1.1.9 --tag g1 net1 web',
    [
      `POST /api/v1/endpointGroups/default:web/ {"cfgdTag":"g1","extContractsGrps":["ext"],"groupName":"web","ipPool":"10.1.1.1-10.1.1.9","netProfile":"slow","networkName":"net1","policies":["one","two"],"tenantName":"default",${noLinks('AppProfile', 'NetProfile', 'Network', 'Tenant')}}`,
    ],
    'Creating EndpointGroup default:web\n',
  ],
  ['group rm web', ['DELETE /api/v1/endpointGroups/default:web/'], ''],
  ['group inspect web', ['GET /api/v1/inspect/endpointGroups/default:web/'], undefined],
  [
    'group ls',
    [tenant, 'GET /api/v1/endpointGroups/'],
    `Tenant   Group  Network  IP Pool            CfgdTag  Policies  Network profile\n------   -----  -------  -------            -------  --------  ---------------\ndefault  web    net1     10.1.1.1-10.1.1.9           one,two   slow\n`,
  ],
  ['group ls -q', [tenant, 'GET /api/v1/endpointGroups/'], 'web\n'],
  [
    'ep inspect abc',
    ['GET /api/v1/inspect/endpoints/abc/'],
    '{\n  "Oper": {\n    "endpointID": "abc",\n    "ipAddress": [\n      "10.1.1.1",\n      ""\n    ]\n  }\n}\n',
  ],
  ['endpoint inspect a/b:c', ['GET /api/v1/inspect/endpoints/a%2Fb%3Ac/'], '{\n  "Oper": {}\n}\n'],
  [
    'policy create web',
    [
      `POST /api/v1/policys/default:web/ {"policyName":"web","tenantName":"default",${noLinks('Tenant')}}`,
    ],
    'Creating policy default:web\n',
  ],
  ['policy rm web', ['DELETE /api/v1/policys/default:web/'], 'Deleting policy default:web\n'],
  [
    'policy ls',
    [tenant, 'GET /api/v1/policys/'],
    'Tenant   Policy\n------   ------\ndefault  web\n',
  ],
  ['policy ls -q', [tenant, 'GET /api/v1/policys/'], 'web\n'],
  ['policy inspect web', ['GET /api/v1/inspect/policys/default:web/'], undefined],
  [
    'policy rule-add web 1',
    [
      `POST /api/v1/rules/default:web:1/ {"action":"allow","direction":"in","policyName":"web","priority":1,"ruleId":"1","tenantName":"default",${noLinks('MatchEndpointGroup')}}`,
    ],
    '',
  ],
  [
    'policy rule-add -d out -e app -s 10.0.0.1 -l tcp -P 80 -p 7 -j deny web 2',
    [
      `POST /api/v1/rules/default:web:2/ {"action":"deny","direction":"out","policyName":"web","port":80,"priority":7,"protocol":"tcp","ruleId":"2","tenantName":"default","toEndpointGroup":"app","toIpAddress":"10.0.0.1",${noLinks('MatchEndpointGroup')}}`,
    ],
    '',
  ],
  [
    'policy rule-ls web',
    [tenant, 'GET /api/v1/policys/default:web/', 'GET /api/v1/rules/'],
    `Incoming Rules:
Rule  Priority  From EndpointGroup  From Network  From IpAddress  To IpAddress  Protocol  Port  Action
----  --------  ------------------  ------------  ---------       ------------  --------  ----  ------
2     1                                                                                   0     deny
9     10        app                                                             tcp       80    allow
Outgoing Rules:
Rule  Priority  To EndpointGroup  To Network  To IpAddress  Protocol  Port  Action
----  --------  ----------------  ----------  ---------     --------  ----  ------
3     5                                       10.2.0.0/16             0     allow
`,
  ],
  [
    'policy rule-ls -q web',
    [tenant, 'GET /api/v1/policys/default:web/', 'GET /api/v1/rules/'],
    '2\n3\n9\n',
  ],
  ['policy rule-rm web 1', ['DELETE /api/v1/rules/default:web:1/'], ''],
  [
    'netprofile create -b 10kbps -d 5 -s 80 slow',
    [
      `POST /api/v1/netprofiles/default:slow/ {"DSCP":5,"bandwidth":"10kbps","burst":80,"profileName":"slow","tenantName":"default",${noLinks('Tenant')}}`,
    ],
    'Creating netprofile default:slow\n',
  ],
  ['netprofile rm slow', ['DELETE /api/v1/netprofiles/default:slow/'], ''],
  [
    'netprofile inspect slow',
    ['GET /api/v1/inspect/netprofiles/default:slow/'],
    '{\n  "Config": {\n    "link-sets": {},\n    "links": {\n      "Tenant": {}\n    }\n  }\n}\n',
  ],
  [
    'netprofile ls',
    [tenant, 'GET /api/v1/netprofiles/'],
    'Name    Tenant   Bandwidth  DSCP      burst size\n------  ------   ---------  --------  ----------\nslow    default  10Kbps     5         80\nfast    default  20Gbps     0         2\nmarked  default             6\n',
  ],
  [
    'app-profile create -g web,app shop',
    [
      `POST /api/v1/appProfiles/default:shop/ {"appProfileName":"shop","endpointGroups":["web","app"],"tenantName":"default",${noLinks('Tenant')}}`,
    ],
    'Creating AppProfile default:shop\n',
  ],
  [
    'app-profile update shop',
    [
      `POST /api/v1/appProfiles/default:shop/ {"appProfileName":"shop","tenantName":"default",${noLinks('Tenant')}}`,
    ],
    '',
  ],
  ['app-profile rm shop', ['DELETE /api/v1/appProfiles/default:shop/'], ''],
  [
    'app-profile ls',
    [tenant, 'GET /api/v1/appProfiles/'],
    'Tenant   AppProfile  Groups\n------   ----------  ------\ndefault  shop        web,app\n',
  ],
  ['app-profile group-ls shop', ['GET /api/v1/appProfiles/default:shop/'], 'web,app'],
  [
    'app-profile group-list -j shop',
    ['GET /api/v1/appProfiles/default:shop/'],
    '{\n  "appProfileName": "shop",\n  "endpointGroups": [\n    "web",\n    "app"\n  ],\n  "tenantName": "default",\n  "link-sets": {},\n  "links": {\n    "Tenant": {}\n  }\n}\n',
  ],
  [
    'external-contracts create -p -a one -a two ext',
    [
      `POST /api/v1/extContractsGroups/default:ext/ {"contracts":["one","two"],"contractsGroupName":"ext","contractsType":"provided","tenantName":"default",${noLinks()}}`,
    ],
    'Creating ExternalContracts default:ext\n',
  ],
  [
    'external-contracts create -c -a one ext',
    [
      `POST /api/v1/extContractsGroups/default:ext/ {"contracts":["one"],"contractsGroupName":"ext","contractsType":"consumed","tenantName":"default",${noLinks()}}`,
    ],
    'Creating ExternalContracts default:ext\n',
  ],
  [
    'external-contracts rm ext',
    ['DELETE /api/v1/extContractsGroups/default:ext/'],
    'Deleting external contracts group ext in tenant default\n',
  ],
  [
    'external-contracts ls',
    [tenant, 'GET /api/v1/extContractsGroups/'],
    'Tenant   Name      Type        Contracts\n------   ------    ------      -------\ndefault  ext       provided  [a b]\n',
  ],
  [
    'service create -s net1 -l app=web -l tier=1 -p 80:8080:TCP --ip 10.1.1.9 web',
    [
      'POST /api/v1/serviceLBs/default:web/ {"ipAddress":"10.1.1.9","networkName":"net1","ports":["80:8080:TCP"],"selectors":["app=web","tier=1"],"serviceName":"web","tenantName":"default","links":{"Network":{},"Tenant":{}}}',
    ],
    'Creating ServiceLB default:web\n',
  ],
  ['service rm web', ['DELETE /api/v1/serviceLBs/default:web/'], 'Deleting Service  web,default\n'],
  ['service inspect web', ['GET /api/v1/inspect/serviceLBs/default:web/'], undefined],
  [
    'service ls any words',
    [tenant, 'GET /api/v1/serviceLBs/'],
    'ServiceName  Tenant    Network  Selectors\n---------    --------  -------  -------\nweb          default   net1     [app=web tier=1]  \n',
  ],
  [
    'global info',
    ['GET /api/v1/globals/'],
    'Fabric mode: default\nForward mode: bridge\nARP mode: proxy\nVlan Range: 1-4094\nVxlan range: 1-10000\nPrivate subnet: 172.20.0.0/16\n',
  ],
  [
    'global inspect',
    ['GET /api/v1/inspect/globals/global/'],
    '{\n  "Config": {},\n  "Oper": {}\n}\n',
  ],
  [
    'global set -a flood -v 1-100',
    [
      'GET /api/v1/globals/global/',
      'POST /api/v1/globals/global/ {"arpMode":"flood","fwdMode":"bridge","name":"global","pvtSubnet":"172.20.0.0/16","vlans":"1-100"}',
    ],
    '',
  ],
  [
    'global set -s 172.19.0.0/16',
    [
      'GET /api/v1/globals/global/',
      'POST /api/v1/globals/global/ {"fwdMode":"bridge","name":"global","pvtSubnet":"172.19.0.0/16"}',
    ],
    '',
  ],
  [
    'aci-gw info',
    ['GET /api/v1/aciGws/'],
    'Path bindings: p\nNode bindings: \nPhysical domain: \nEnforce policies: yes\nInclude Common-Tenant: \n',
  ],
  [
    'aci-gw inspect',
    ['GET /api/v1/inspect/aciGws/aciGw/'],
    '{\n  "Config": {},\n  "Oper": {}\n}\n',
  ],
  [
    'aci-gw set -p p -n n -d dom',
    [
      'POST /api/v1/aciGws/aciGw/ {"enforcePolicies":"yes","includeCommonTenant":"no","name":"aciGw","nodeBindings":"n","pathBindings":"p","physicalDomain":"dom"}',
    ],
    '',
  ],
  [
    'bgp create --router-ip 50.1.1.1/24 --as 65001 --neighbor-as 65002 --neighbor 50.1.1.2 edge-1',
    [
      'POST /api/v1/Bgps/edge-1/ {"as":"65001","hostname":"edge-1","neighbor":"50.1.1.2","neighbor-as":"65002","routerip":"50.1.1.1/24"}',
    ],
    '',
  ],
  ['bgp rm edge-1', ['DELETE /api/v1/Bgps/edge-1/'], 'Deleting Bgp router config: edge-1\n'],
  ['bgp inspect edge-1', ['GET /api/v1/inspect/Bgps/edge-1/'], undefined],
  [
    'bgp ls',
    ['GET /api/v1/Bgps/'],
    'HostName   RouterIP     AS       Neighbor  NeighborAS\n---------  --------     -------  --------  -------\nedge-1     50.1.1.1/24  65001    50.1.1.2  65002\n',
  ],
  ['bgp ls -q', ['GET /api/v1/Bgps/'], 'edge-1\n'],
] as const)('netctl %s', (words, requests, out) => {
  test('asks and prints', async () => {
    const ended = await server.netctl(words);
    expect(ended).toMatchObject({ exitCode: 0, error: '' });
    expect(asked()).toEqual(requests);
    if (out !== undefined) expect(ended.out).toBe(out);
  });
});

test('version shows both sides', async () => {
  const { out, exitCode } = await server.netctl('version');
  expect({ exitCode, out: out.replace(/Version: [0-9.]+\nGitCommit: .*\n/, 'OURS\n') }).toEqual({
    exitCode: 0,
    out: 'Client Version:\nOURS\nBuildTime: \n\nServer Version:\nVersion: 1.2\nGitCommit: abc\nBuildTime: now\n',
  });
  expect(asked()).toEqual(['GET /version']);
});
