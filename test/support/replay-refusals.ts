/**
 * What the agent refuses of the recordings, each with the reason why that is right. A recorded engine
 * spoke to another plugin: it does some things that an engine would not do after our answers.
 */

/** Why calls are refused. */
export const reasons = {
  option: 'the network has an -o option that we do not know, so it is not made, and nothing in it',
  replay:
    'the engine repeats what it asked for before its restart; it does so only for a plugin that says it needs that, and ours says that it remembers',
  addressTaken: 'the user wants an address (--ip) that another container has',
  emptyContent: 'the plugin broke the connection, and engines repeat such a call without content',
  emptyPoolId: 'the plugin gave an empty pool id on purpose; ours never are',
  subnetTaken:
    'the user wants a subnet that another network has; the recording plugin gave it twice',
} as const;

/** A call that is refused so many times in each recording of a scenario. */
export interface ExpectedRefusal {
  /** `NetworkDriver.Join NETWORK_UNKNOWN`. */
  readonly what: string;
  readonly times: number;
  readonly why: keyof typeof reasons;
}

const replayedPool = (times: number): ExpectedRefusal => ({
  what: 'IpamDriver.RequestPool POOL_OVERLAP',
  times,
  why: 'replay',
});
const replayedAddress = (times: number): ExpectedRefusal => ({
  what: 'IpamDriver.RequestAddress ADDRESS_IN_USE',
  times,
  why: 'replay',
});
/** A network that is refused, and the containers that were to be in it. */
const unknownOption = (networks: number, containers: number): readonly ExpectedRefusal[] => [
  { what: 'NetworkDriver.CreateNetwork OPTION_UNKNOWN', times: networks, why: 'option' },
  { what: 'NetworkDriver.CreateEndpoint NETWORK_UNKNOWN', times: containers, why: 'option' },
  { what: 'NetworkDriver.Join NETWORK_UNKNOWN', times: containers, why: 'option' },
];

/** By scenario; what is not here is not refused. */
const expectedRefusals: Readonly<Record<string, readonly ExpectedRefusal[]>> = {
  'extras-ipv6-gwalloc': unknownOption(1, 1),
  'global-scope-no-swarm': [replayedPool(1)],
  'ipam-no-replay': [replayedPool(1), replayedAddress(2)],
  'kill9-plugin-state-lost': [replayedPool(1)],
  'kill9-plugin-up': [replayedPool(1)],
  lifecycle: [
    { what: 'IpamDriver.RequestAddress ADDRESS_IN_USE', times: 1, why: 'addressTaken' },
    { what: 'NetworkDriver.CreateEndpoint ADDRESS_IN_USE', times: 1, why: 'addressTaken' },
    { what: 'NetworkDriver.Join ENDPOINT_UNKNOWN', times: 1, why: 'addressTaken' },
  ],
  'live-restore': [replayedPool(4), replayedAddress(3)],
  'managed-plugin-lifecycle': [replayedPool(2), replayedAddress(1)],
  'net-create': unknownOption(1, 0),
  'response-shapes': [
    { what: 'IpamDriver.RequestAddress REQUEST_INVALID', times: 1, why: 'emptyPoolId' },
    { what: 'IpamDriver.ReleasePool REQUEST_INVALID', times: 1, why: 'emptyPoolId' },
    { what: 'IpamDriver.RequestPool POOL_OVERLAP', times: 1, why: 'subnetTaken' },
    { what: 'NetworkDriver.CreateNetwork POOL_IN_USE', times: 1, why: 'subnetTaken' },
  ],
  'restart-plugin-up': [replayedPool(1)],
  'slow-and-drop': [
    { what: 'NetworkDriver.CreateEndpoint REQUEST_EMPTY', times: 1, why: 'emptyContent' },
    { what: 'NetworkDriver.Join REQUEST_EMPTY', times: 4, why: 'emptyContent' },
  ],
  // on both of its hosts
  'swarm-global': unknownOption(2, 4),
  'swarm-single': unknownOption(2, 3),
};

/** Refusals that do not come when the engine goes by our answers. */
const heeded: ReadonlySet<keyof typeof reasons> = new Set(['option', 'replay']);

/** How often each call of a scenario is refused. */
export function refusalsOf(scenario: string, heeding: boolean): Readonly<Record<string, number>> {
  const rows = expectedRefusals[scenario] ?? [];
  return Object.fromEntries(
    rows
      .filter(({ times, why }) => times > 0 && !(heeding && heeded.has(why)))
      .map(({ what, times }) => [what, times]),
  );
}

/** Scenarios of which something is refused. */
export const refusedScenarios: readonly string[] = Object.keys(expectedRefusals);

/** Scenarios that are another thing when the engine goes by our answers. */
export const heedableScenarios: readonly string[] = [
  ...refusedScenarios.filter((name) => expectedRefusals[name]?.some(({ why }) => heeded.has(why))),
  // addresses without MAC
  ...['errors', 'lifecycle', 'mac-macaddr-options', 'ports-gateway-dns'],
];
