/**
 * Sockets that systemd made for us (sd_listen_fds(3)): LISTEN_FDS of them from descriptor 3, meant for
 * the process LISTEN_PID, named by LISTEN_FDNAMES. Reads the environment it is given, opens nothing.
 */
import { FairleadError } from '../errors.ts';

const firstDescriptor = 3;
const socketsMax = 8;

/** What a socket is for. */
export type SocketRole = 'plugin' | 'api';

const roles = ['plugin', 'api'] as const satisfies readonly SocketRole[];
const roleOfName: ReadonlyMap<string, SocketRole> = new Map([
  ['plugin', 'plugin'],
  ['fairlead.socket', 'plugin'],
  ['api', 'api'],
  ['fairlead-api.socket', 'api'],
]);

/**
 * Descriptors by role; empty when none were handed to this process. Sockets without a name that we know
 * get the roles that are left: the plugin's first, then the API's.
 * @throws SOCKET_FAILED when the variables make no sense
 */
export function inheritedSockets(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): ReadonlyMap<SocketRole, number> {
  const { LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES } = environment;
  // they stay in the environment of children, who must not believe them
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return new Map();
  const count = Number(LISTEN_FDS);
  if (!/^[0-9]+$/.test(LISTEN_FDS) || count > socketsMax) {
    throw new FairleadError('SOCKET_FAILED', `LISTEN_FDS=${LISTEN_FDS} is no number of sockets`);
  }
  const names = LISTEN_FDNAMES === undefined ? [] : LISTEN_FDNAMES.split(':');
  const descriptors = new Map<SocketRole, number>();
  const give = (role: SocketRole | undefined, descriptor: number): void => {
    if (role === undefined || descriptors.has(role)) {
      const what = role === undefined ? 'more sockets than we have use for' : `two for the ${role}`;
      throw new FairleadError('SOCKET_FAILED', `systemd handed over ${what}`, {
        fix: 'name them by FileDescriptorName=plugin and FileDescriptorName=api',
      });
    }
    descriptors.set(role, descriptor);
  };
  const unnamed: number[] = [];
  for (let index = 0; index < count; index++) {
    const role = roleOfName.get(names[index] ?? '');
    if (role === undefined) unnamed.push(firstDescriptor + index);
    else give(role, firstDescriptor + index);
  }
  for (const descriptor of unnamed) {
    give(
      roles.find((role) => !descriptors.has(role)),
      descriptor,
    );
  }
  return descriptors;
}
