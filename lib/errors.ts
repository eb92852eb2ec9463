/**
 * The one list of errors. Every refusal a user can meet has a stable code here; the CLI, the plugin
 * protocol, the API, the logs and `docs/errors.md` all read this table, so a code means one thing
 * everywhere. Messages say what happened in one line, `fix` says what to do about it.
 */

/** How an error is treated by the faces: HTTP status of our API and exit code of the CLI. */
interface ErrorClass {
  readonly httpStatus: number;
  readonly exitCode: number;
  /** What a person does about it, where there is one answer for all cases. */
  readonly fix?: string;
}

const usage = { httpStatus: 400, exitCode: 2 } as const;
const conflict = { httpStatus: 409, exitCode: 3 } as const;
const missing = { httpStatus: 404, exitCode: 3 } as const;
const unavailable = { httpStatus: 503, exitCode: 5 } as const;
const broken = { httpStatus: 500, exitCode: 70 } as const;

/** Every code, with its treatment. Codes are never renamed and never reused. */
export const errorTable = {
  // what was asked is not well formed
  USAGE: { ...usage, fix: 'fairlead --help' },
  REQUEST_INVALID: usage,
  REQUEST_EMPTY: {
    ...usage,
    fix: 'repeat the docker command: the engine retried a call after a broken connection without its content',
  },
  REQUEST_TOO_LARGE: { httpStatus: 413, exitCode: 2 },
  REQUEST_METHOD: { httpStatus: 405, exitCode: 2 },
  REQUEST_UNKNOWN: { httpStatus: 404, exitCode: 2 },
  API_DENIED: { httpStatus: 401, exitCode: 4, fix: 'send the token of --api-token-file' },
  ADDRESS_INVALID: usage,
  NAME_QUERY_INVALID: usage,
  OPTION_UNKNOWN: usage,
  OPTION_MISSING: usage,

  // what was asked does not fit what is there
  POOL_OVERLAP: { ...conflict, fix: 'choose another --subnet, or remove the network that uses it' },
  POOL_EXHAUSTED: {
    ...conflict,
    fix: 'remove containers, or make a network with a larger --subnet',
  },
  POOL_NONE_FREE: { ...conflict, fix: 'give --subnet, or widen --ipv4-pools / --ipv6-pools' },
  POOL_UNKNOWN: { ...missing, fix: 'remove the network and create it again' },
  POOL_IN_USE: conflict,
  ADDRESS_IN_USE: { ...conflict, fix: 'choose another address, or leave the choice to Fairlead' },
  ADDRESS_OUTSIDE_POOL: { ...usage, fix: 'choose an address inside the subnet of the network' },
  MAC_IN_USE: { ...conflict, fix: 'choose another --mac-address, or leave the choice to Fairlead' },
  NETWORK_EXISTS: conflict,
  NETWORK_UNKNOWN: { ...missing, fix: 'docker network rm and create it again' },
  NETWORK_LIMIT: { ...conflict, fix: 'remove networks that are not used' },
  NETWORK_MISMATCH: {
    ...conflict,
    fix: 'leave the option out to take what the network has, or choose another name',
  },
  TAG_IN_USE: { ...conflict, fix: 'choose another -o pkt-tag, or leave the choice to Fairlead' },
  VTEP_IN_USE: {
    ...conflict,
    fix: 'give one of the two another address or --vtep-ip; if the other is gone for good, remove it: fairlead cluster remove, fairlead node remove',
  },
  HOST_REMOVED: {
    ...conflict,
    fix: 'to let it in as a new one: fairlead cluster join with a new token; on an etcd: systemctl restart fairlead',
  },
  HOST_COPIED: { ...conflict, fix: 'give one of the two another --name, or stop it' },
  NODE_UNKNOWN: { ...missing, fix: 'fairlead node list' },
  NODE_NOT_STOPPED: {
    ...conflict,
    fix: 'stop the host or cut it off from the network, then say so: --i-have-stopped-it',
  },
  SITE_LIMIT: { ...conflict, fix: 'remove tenants, networks or hosts that are not used' },
  ENDPOINT_EXISTS: conflict,
  ENDPOINT_UNKNOWN: { ...missing, fix: 'start the container again' },

  // objects of the model
  OBJECT_UNKNOWN: missing,
  OBJECT_INVALID: { httpStatus: 422, exitCode: 2 },
  REFERENCE_UNKNOWN: { httpStatus: 422, exitCode: 3, fix: 'make what it names first' },
  OBJECT_FIXED: { ...conflict, fix: 'remove it and make it again' },
  OBJECT_IN_USE: { ...conflict, fix: 'remove what uses it first' },
  OBJECT_LEAVING: {
    ...conflict,
    fix: 'wait until its hosts have let go of it; fairlead cluster status says which are away; for one that is gone for good: fairlead node remove',
  },
  SWARM_MODE: {
    ...conflict,
    fix: 'use the managed plugin (docs/managed-plugin.md), or docker swarm leave, or hosts whose engines are in no swarm',
  },
  OBJECT_CONFLICT: { ...conflict, fix: 'choose another name, subnet, tag or address' },
  OBJECT_CHANGED: {
    httpStatus: 412,
    exitCode: 3,
    fix: 'read it again, and repeat the change on what it is now',
  },

  // something this host needs is not there now
  BUSY: { ...unavailable, fix: 'wait a moment and try again' },
  DEADLINE: { ...unavailable, fix: "try again; the agent's log says what it waited for" },
  AGENT_DOWN: { httpStatus: 503, exitCode: 4, fix: 'systemctl start fairlead' },
  STARTING: { ...unavailable, fix: 'try again in a moment' },
  STOPPING: { ...unavailable, fix: 'try again when the agent is back' },
  OVS_DOWN: { ...unavailable, fix: 'systemctl start openvswitch-switch' },
  OVS_STALLED: { ...unavailable, fix: 'systemctl restart openvswitch-switch' },
  OVS_LOCKED: { ...unavailable, fix: 'stop the other fairlead agent on this Open vSwitch' },
  OVS_REFUSED: unavailable,
  OVS_PROTOCOL: unavailable,
  BANDWIDTH_UNSUPPORTED: {
    ...conflict,
    fix: 'run Open vSwitch in user space or on Linux 4.18 or later; or take the bandwidths out of the netprofile',
  },
  BRIDGE_NOT_OURS: {
    ...conflict,
    fix: 'rename or remove the foreign bridge; Fairlead never takes over what it did not make',
  },
  PORT_NOT_OURS: { ...conflict, fix: 'remove the foreign port; Fairlead never touches it' },
  VTEP_UNUSABLE: conflict,
  UPLINK_IN_USE: {
    ...conflict,
    fix: 'name a NIC in --uplinks that the host itself does not use, or first move what uses it elsewhere',
  },
  UPLINK_ABSENT: { ...missing, fix: 'plug it in, or correct --uplinks; it is taken when it comes' },
  HOST_BLOCK_CONFLICT: {
    ...conflict,
    fix: 'give the agent another --host-block or --host-block6, or none',
  },
  OUTSIDE_FAILED: {
    ...unavailable,
    fix: 'install iptables or nftables; the message says what else is wrong',
  },
  PORT_IN_USE: {
    ...conflict,
    fix: 'choose another port of the host, or leave the choice to Fairlead: -p with the container port alone',
  },
  PUBLISH_REFUSED: {
    ...conflict,
    fix: 'start it without -p, or attach it first to a network with a way out: docs/outside.md',
  },
  LINK_NOT_OURS: { ...conflict, fix: 'remove the foreign link; Fairlead never touches it' },
  LINK_IN_USE: { ...conflict, fix: 'stop the container that uses it, then try again' },
  LINK_FAILED: unavailable,
  DOCKER_DOWN: { ...unavailable, fix: 'systemctl start docker' },
  DOCKER_PROTOCOL: unavailable,
  DOCKER_VERSION: { ...conflict, fix: 'upgrade Docker' },
  DOCKER_REFUSED: conflict,
  SOCKET_IN_USE: { ...conflict, fix: 'stop the process that serves it, or choose another path' },
  SOCKET_FAILED: conflict,

  // the single-file binary
  TEMP_UNUSABLE: {
    ...conflict,
    fix: 'set TMPDIR to a writable directory on a file system that is not mounted noexec',
  },
  ADDON_FAILED: {
    ...conflict,
    fix: 'install the C++ runtime (Debian: apt-get install libstdc++6)',
  },

  // the store
  STORE_LOCKED: { ...conflict, fix: 'stop the other agent that uses this --data-dir' },
  STORE_LOST: {
    ...broken,
    fix: 'put the directory back from a backup; or, to give up its state, move the data directory aside and start again',
  },
  STORE_DAMAGED: {
    ...broken,
    fix: 'put the directory back from a backup; or, to give up its state, move the data directory aside and start again',
  },
  STORE_FOREIGN: {
    ...broken,
    fix: 'put back the store or the peer.json that belongs to the other',
  },
  STORE_FAILED: { ...broken, fix: 'check the disk (df, dmesg); the agent restarts by itself' },
  STORE_NO_SPACE: { ...unavailable, fix: 'free disk space below the data directory' },
  STORE_COMPACTED: {
    httpStatus: 410,
    exitCode: 3,
    fix: 'list again, then watch from the revision of the list',
  },
  STORE_CONFLICT: { ...unavailable, fix: 'try again' },
  STORE_CLOSED: unavailable,
  STORE_LIMIT: usage,
  READ_LIMIT: { ...unavailable, fix: 'ask for less at once: one object, or a page of a list' },
  STORE_OUTCOME_UNKNOWN: {
    httpStatus: 504,
    exitCode: 6,
    fix: 'the change may have landed: look before you repeat it',
  },
  SESSION_UNKNOWN: {
    httpStatus: 504,
    exitCode: 6,
    fix: 'the change may have landed: look before you repeat it',
  },
  LEASE_UNKNOWN: missing,
  QUORUM_LOST: {
    ...unavailable,
    fix: 'bring voters back; if they are gone for good: fairlead cluster recover',
  },
  STORE_UNREACHABLE: { ...unavailable, fix: 'check --store and the endpoints of etcd' },
  STORE_DENIED: { ...conflict, fix: 'check the user, the certificate and their rights in etcd' },
  ETCD_PROTOCOL: unavailable,
  STORE_ROLLED_BACK: {
    ...conflict,
    fix: 'on the host that is ahead: fairlead cluster recover; or, to go on with less, here',
  },
  STORE_TOO_NEW: { ...broken, fix: 'run the version of Fairlead that the other members run' },
  STORE_DIVERGED: {
    ...broken,
    fix: 'keep the directory for a report; move it aside and fairlead cluster join again',
  },

  // between members of a cluster
  PEER_PROTOCOL: unavailable,
  PEER_REFUSED: unavailable,
  PEER_UNREACHABLE: { ...unavailable, fix: 'check address, port and firewall of the other host' },
  PEER_CERTIFICATE: conflict,
  CLUSTER_OTHER: { ...conflict, fix: 'check the address: it belongs to another cluster' },
  CLUSTER_EPOCH: {
    ...conflict,
    fix: 'the cluster was recovered without this host: fairlead cluster join again with a new token',
  },
  CLUSTER_VERSION: { ...conflict, fix: 'upgrade the older host' },
  MEMBER_REMOVED: { ...conflict, fix: 'fairlead cluster join with a new token' },
  MEMBER_UNKNOWN: { ...missing, fix: 'fairlead cluster members' },
  MEMBER_EXISTS: { ...conflict, fix: 'give this host another --name, or remove the old member' },
  MEMBER_DATA_LOST: {
    ...conflict,
    fix: 'its data directory is not the one that joined: remove the member, then join again',
  },
  TOKEN_INVALID: { ...usage, fix: 'paste the whole line that fairlead cluster token printed' },
  TOKEN_EXPIRED: { ...conflict, fix: 'fairlead cluster token' },
  TOKEN_USED: { ...conflict, fix: 'fairlead cluster token' },
  TOKEN_UNKNOWN: { ...conflict, fix: 'fairlead cluster token' },
  TOKEN_PIN: {
    ...conflict,
    fix: 'the host at this address is not of the cluster that made the token: check the address',
  },
  CLUSTER_NOT_EMPTY: {
    ...conflict,
    fix: 'remove the networks of this host first, or join from a fresh --data-dir',
  },
  CLUSTER_SINGLE: { ...conflict, fix: 'fairlead cluster token --listen ADDRESS' },
  CLUSTER_WITNESS: { ...conflict, fix: 'use a voter or an observer' },
  CLUSTER_WAITING: { httpStatus: 504, exitCode: 6, fix: 'fairlead cluster status' },
  CLUSTER_EXTERNAL: { ...conflict, fix: "use the store's own tools (etcdctl)" },
  CLUSTER_CHANGE: { ...conflict, fix: 'fairlead cluster status' },
  CLUSTER_MAJORITY: { ...conflict, fix: 'fairlead cluster status' },
  BUNDLE_INVALID: {
    ...usage,
    fix: 'give --from a folder that a bundle was unpacked to, and a place that can be written',
  },
  BUNDLE_KEY: { ...usage, fix: 'use a key without a password: minisign -G -W -s FILE' },
  PLUGIN_FOLDER: { ...usage, fix: 'make it anew: fairlead plugin folder DIR' },
  PLUGIN_PLACE: {
    ...conflict,
    fix: 'let Docker start it: docker plugin create NAME FOLDER, then docker plugin enable NAME',
  },
  SNAPSHOT_INVALID: { ...usage, fix: 'use a file made by fairlead cluster snapshot save' },

  INTERNAL: { ...broken, fix: 'report it with the lines of the log around it' },
} as const satisfies Record<string, ErrorClass>;

/** A stable code word. */
export type ErrorCode = keyof typeof errorTable;

/** Extra facts of an error: `detail` goes to the log only, `fix` overrides the table's. */
export interface ErrorFacts {
  readonly fix?: string;
  readonly detail?: unknown;
  readonly cause?: unknown;
}

/** An operating error: its message is one line for a person, its code is for programs. */
export class FairleadError extends Error {
  override readonly name = 'FairleadError';
  readonly code: ErrorCode;
  readonly fix: string | undefined;
  /** For the log, never for the user. */
  readonly detail: unknown;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.fix = facts.fix ?? treatmentOf(code).fix;
    this.detail = facts.detail;
  }
}

/** The table row of a code. */
export function treatmentOf(code: ErrorCode): ErrorClass {
  return errorTable[code];
}

/** True for a code word of the table. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}

/** Any thrown value as one of ours: what is not ours is a bug and becomes INTERNAL. */
export function asFairleadError(thrown: unknown): FairleadError {
  if (thrown instanceof FairleadError) return thrown;
  const what = thrown instanceof Error ? thrown.message : String(thrown);
  return new FairleadError('INTERNAL', `internal error: ${what}`, { cause: thrown });
}

/** True for an operating error with this code. */
export function hasCode(thrown: unknown, code: ErrorCode): thrown is FairleadError {
  return thrown instanceof FairleadError && thrown.code === code;
}

/** The text a user sees in a plugin answer or on a terminal: code, message and what to do. */
export function describeError(error: FairleadError): string {
  const head = `${error.message} (${error.code})`;
  return error.fix === undefined ? head : `${head}; fix: ${error.fix}`;
}
