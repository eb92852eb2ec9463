/**
 * Sockets that systemd made for us (sd_listen_fds(3)): LISTEN_FDS of them from descriptor 3, meant for
 * the process LISTEN_PID, named by LISTEN_FDNAMES. Reads the environment it is given, opens nothing.
 */
import { FairleadError } from '../errors.ts';

const firstDescriptor = 3;
const socketsMax = 8;

/** What a socket is for. */
export type SocketRole = 'plugin' | 'api';

const roleOfName: Readonly<Record<string, SocketRole>> = {
  plugin: 'plugin',
  'fairlead.socket': 'plugin',
  api: 'api',
  'fairlead-api.socket': 'api',
};

/**
 * Descriptors by role; empty when none were handed to this process. Without names the first is the
 * plugin's and the second the API's.
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
  const roles = new Map<SocketRole, number>();
  for (let index = 0; index < count; index++) {
    const named = roleOfName[names[index] ?? ''];
    const role = named ?? (index === 0 ? 'plugin' : 'api');
    if (roles.has(role)) {
      throw new FairleadError('SOCKET_FAILED', `two sockets were handed over for the ${role}`, {
        fix: 'name them by FileDescriptorName=plugin and FileDescriptorName=api',
      });
    }
    roles.set(role, firstDescriptor + index);
  }
  return roles;
}
