/**
 * The single file as a process with nothing but its embedded store: no Docker, no Open vSwitch, all it has in a
 * folder of its own. Commands find `netctl` and `fairlead` as links to it.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serviceEnvironment } from '../support/service-environment.ts';
import { until } from '../support/until.ts';

const repository = join(import.meta.dirname, '..', '..');
const binaryPath = join(repository, 'dist', 'fairlead');

export interface FreshAgent {
  /** A folder that commands run in, and that is removed with the agent. */
  readonly folder: string;
  readonly apiSocket: string;
  readonly pid: number;
  /** For commands: their home, where they find the agent, and what the shell finds. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

/** Sends a request to a socket, as it is. */
export function httpOverSocket(
  socketPath: string,
  asked: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | undefined;
  },
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const { method, path, body } = asked;
    const headers = { host: 'fairlead', ...asked.headers };
    const outgoing = request({ socketPath, method, path, headers, agent: false }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (part: string) => (text += part));
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Starts one, and waits until its store answers. */
export async function startFreshAgent(hostName = 'compat'): Promise<FreshAgent> {
  if (!existsSync(binaryPath)) throw new Error('there is no dist/fairlead: npm run build');
  const folder = mkdtempSync(join(tmpdir(), 'compat-'));
  const path = (name: string) => join(folder, name);
  const programs = path('bin');
  mkdirSync(programs);
  for (const name of ['netctl', 'fairlead']) symlinkSync(binaryPath, join(programs, name));
  const apiSocket = path('api.sock');
  const log = openSync(path('agent.log'), 'w');
  const child = spawn(binaryPath, ['agent'], {
    stdio: ['ignore', log, log],
    env: {
      PATH: process.env['PATH'] ?? '',
      ...serviceEnvironment(),
      FAIRLEAD_NAME: hostName,
      FAIRLEAD_DATA_DIR: path('data'),
      FAIRLEAD_RUN_DIR: path('run'),
      FAIRLEAD_PLUGIN_SOCKET: path('plugin.sock'),
      FAIRLEAD_API_SOCKET: apiSocket,
      FAIRLEAD_OVS_DB: `unix:${path('no-ovs.sock')}`,
      FAIRLEAD_DOCKER_HOST: `unix:${path('no-docker.sock')}`,
    },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until('the store of the agent answers', async () => {
      if (child.exitCode !== null) {
        throw new Error(`the agent ended: ${readFileSync(path('agent.log'), 'utf8')}`);
      }
      const asked = { method: 'GET', path: '/api/v1/tenants/' };
      return (await httpOverSocket(apiSocket, asked)).status === 200;
    });
  } catch (cause) {
    await close();
    throw cause;
  }
  return {
    folder,
    apiSocket,
    pid: child.pid ?? 0,
    environment: {
      PATH: `${programs}:${process.env['PATH'] ?? ''}`,
      HOME: folder,
      FAIRLEAD_API_SOCKET: apiSocket,
    },
    close,
  };
}
