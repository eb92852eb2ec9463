/**
 * Contiv's confirmed bugs that its REST cannot show: by which tests others show that they are not here. A test
 * checks that each of these is there, by file and title, and that no bug of the list is without one.
 */

/** A bug, by its number in Contiv's list (`h.1 6`) or tracker (`h.3 389`), and who shows that ours has none of it. */
export interface BugElsewhere {
  readonly bugs: readonly string[];
  readonly what: string;
  readonly shownBy: readonly (readonly [file: string, title: string])[];
}

/** Those that tests show. */
export const bugsElsewhere: readonly BugElsewhere[] = [
  {
    bugs: ['h.1 1'],
    what: 'a dead host froze containers and commands of all others',
    shownBy: [
      [
        'test/e2e/datapath/dead-peer.test.ts',
        'while h%i is cut off, containers come and go and rules are made on the others',
      ],
      ['test/e2e/datapath/restarts.test.ts', 'two of three members dead for 20 seconds'],
    ],
  },
  {
    bugs: ['h.1 6'],
    what: 'a restart left flows of containers that were there',
    shownBy: [
      [
        'test/datapath/reconcile/desired-flows.test.ts',
        'come back to any bridge, whatever is on it',
      ],
      [
        'test/datapath/bridge-flows.test.ts',
        'are left as a former agent made them until it is known what they should be',
      ],
      [
        'test/e2e/crash-daemons.test.ts',
        'while containers run: they go on without it, and are found again',
      ],
    ],
  },
  {
    bugs: ['h.1 10'],
    what: 'errors of the address driver lost their words, or were JSON in JSON with status 200',
    shownBy: [['test/plugin/app.test.ts', 'an operating error keeps its code and its fix']],
  },
  {
    bugs: ['h.1 14'],
    what: 'IPv6 did not work where packets are routed, and no rules judged it',
    shownBy: [
      [
        'test/e2e/datapath/traffic.test.ts',
        'is routed between the networks of a tenant, one hop, through the gateway',
      ],
      [
        'test/e2e/policy/random.test.ts',
        'what is read, what is explained, what switches say and what packets do is the same',
      ],
    ],
  },
  {
    bugs: ['h.1 15'],
    what: 'the store kept all history in memory',
    shownBy: [
      [
        'test/conformance/store-watch.ts',
        'says that old changes are forgotten, and from where to go on',
      ],
      [
        'test/store/level/storage.test.ts',
        'removes what is forgotten in bounded steps, with the writes that come by',
      ],
    ],
  },
  {
    bugs: ['h.2 1', 'h.2 2'],
    what: 'who was behind a service hung on the order of things, and on labels without a value',
    shownBy: [
      [
        'test/services/services.test.ts',
        'are the containers with all of its labels, each once, in an order of their own',
      ],
      ['test/network/service-view.test.ts', 'are after any change what all rows together make'],
    ],
  },
  {
    bugs: ['h.2 3'],
    what: 'containers that were there before any service were never behind one',
    shownBy: [
      [
        'test/e2e/policy/services.test.ts',
        'shares out connections from every host over containers of every host, who see the client',
      ],
    ],
  },
  {
    bugs: ['h.3 389', 'h.3 871'],
    what: 'endpoints of a host that was booted stayed, and kept their group',
    shownBy: [
      ['test/host/boot.test.ts', 'endpoints of before are gone for all, those of after it stay'],
      [
        'test/e2e/datapath/deaths.test.ts',
        'a host that lost its power leaves nothing when it is back, and its addresses serve again',
      ],
    ],
  },
  {
    bugs: ['h.3 1133', 'h.3 958'],
    what: 'addresses leaked when an endpoint failed, and had to be given back by hand',
    shownBy: [
      ['test/e2e/crash-steps.test.ts', 'killed $name'],
      [
        'test/e2e/datapath/deaths.test.ts',
        'of attaching and detaching leave no link, port, flow, address, descriptor or memory',
      ],
      ['test/e2e/datapath/ipam-check.test.ts', 'an owner of nothing is found'],
    ],
  },
  {
    bugs: ['h.3 install-176', 'h.3 563', 'h.3 213', 'h.3 674'],
    what: 'Docker and the model had different networks',
    shownBy: [
      [
        'test/e2e/docker-model.test.ts',
        'what somebody removes is made again, what somebody else made stays',
      ],
      [
        'test/e2e/docker-model.test.ts',
        'they are there when the command has returned, under Contiv’s names, and go the same way',
      ],
    ],
  },
  {
    bugs: ['h.3 401'],
    what: 'attaching a container asked for more the more there were',
    shownBy: [
      [
        'test/network/ipam/host-blocks.test.ts',
        'look at as little in a large pool as in a small one, however many addresses others have',
      ],
    ],
  },
  {
    bugs: ['h.3 974', 'h.3 975', 'h.3 267', 'h.3 963', 'h.3 720', 'h.3 388', 'h.3 ansible-316'],
    what: 'after a restart of Docker, etcd or the machine nothing started, or not in this order',
    shownBy: [
      [
        'test/e2e/activation.test.ts',
        'answers the first call, and twenty that come at once with it',
      ],
      [
        'test/systemd/units.test.ts',
        'Docker starts after both, and a stopped socket leaves no file behind',
      ],
      [
        'test/e2e/crash-daemons.test.ts',
        'together with the agent and Open vSwitch, as when the machine loses power',
      ],
      [
        'test/e2e/etcd.test.ts',
        'goes on without its etcd: containers talk, changes are refused in words',
      ],
    ],
  },
  {
    bugs: ['h.3 776', 'h.3 812'],
    what: 'in swarm mode "plugin not found", after the network was made',
    shownBy: [
      ['test/e2e/docker-model.test.ts', 'in swarm mode it is said before anything is made'],
    ],
  },
  {
    bugs: ['h.3 891'],
    what: 'the first use of a service ended the agent, by a field that Open vSwitch did not know',
    shownBy: [
      [
        'test/e2e/policy/services.test.ts',
        'shares out connections from every host over containers of every host, who see the client',
      ],
      [
        'test/datapath/pipeline/services.test.ts',
        'that translate addresses say of which family they are, as a switch wants it',
      ],
    ],
  },
  {
    bugs: ['h.3 927', 'h.3 904'],
    what: 'the managed plugin could not be installed, and nobody said why',
    shownBy: [
      [
        'test/e2e/plugin/managed-plugin.test.ts',
        'serves networks under the name that it was given',
      ],
      [
        'test/e2e/plugin/managed-plugin.test.ts',
        'needs nothing of the host but its links, Open vSwitch, Docker and a folder',
      ],
      [
        'test/e2e/plugin/managed-plugin.test.ts',
        'says of a folder that cannot work what the engine does not',
      ],
    ],
  },
  {
    bugs: ['h.3 1052'],
    what: 'no way between networks across hosts',
    shownBy: [['test/e2e/many-hosts.test.ts', 'routes between the networks of a tenant, one hop']],
  },
  {
    bugs: ['h.3 692', 'h.3 714', 'h.3 442'],
    what: 'the uplink took the way to the host itself; bonds',
    shownBy: [
      ['test/e2e/vlan.test.ts', 'never takes a NIC that the host uses, and gives back what it had'],
      [
        'test/e2e/datapath/uplinks.test.ts',
        'becomes one NIC, and both are given back as they were, though the agent is killed at it',
      ],
    ],
  },
];

/** Those of features that are not here, so that nothing can show them; each goes into a test with its feature. */
export const bugsWithoutFeature: readonly (readonly [bug: string, feature: string])[] = [
  ['h.3 939', 'services have no ports of hosts'],
  ['h.3 1089', 'Kubernetes'],
  ['h.3 1130', 'BGP is kept, not spoken'],
  ['h.3 1136', 'BGP is kept, not spoken'],
];

/** All numbers of the list; those seen in its code are counted in the order in which they are told. */
export const confirmedBugs: readonly string[] = [
  ...Array.from({ length: 15 }, (_, at) => `h.1 ${at + 1}`),
  ...Array.from({ length: 9 }, (_, at) => `h.2 ${at + 1}`),
  ...[
    '389 871 901 1133 install-176 368 401 974 975 963 720 388 ansible-316 776 812 927 904 563 213 674',
    '267 891 1130 1136 1052 692 714 442 939 1089 958',
  ].flatMap((numbers) => numbers.split(' ').map((number) => `h.3 ${number}`)),
];
