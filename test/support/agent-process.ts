/**
 * The agent as a process on a lab's host, in any of the four forms it is run in.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HostProcess, LabHost } from '../lab/host.ts';
import { openPluginClient } from './plugin-client.ts';
import { serviceEnvironment } from './service-environment.ts';
import { slowness } from './slowness.ts';
import { until } from './until.ts';

/** How the agent is run: three runtimes on the sources, or the single file. */
export const agentForms = ['binary', 'bun', 'deno', 'node'] as const;
export type AgentForm = (typeof agentForms)[number];

/** How long a start may take on a machine that has much else to do, and an answer of the API. */
const startMs = 60_000;
const answerMs = 20_000 * slowness;

const root = join(import.meta.dirname, '..', '..');
const tool = (name: string): string => join(root, 'node_modules', '.bin', name);

/** The single file as `npm run build` leaves it. */
export const binaryPath = join(root, 'dist', 'fairlead');

/** Runs the single file where nothing of the project's packages is to be found: in an empty folder, with
 *  `node_modules` hidden; and in the boot that the lab's host is in. The pid stays the agent's. */
const alone = `set -e
mount -t tmpfs tmpfs "$1/node_modules"
if [ -s "$LAB_BOOT_ID" ]; then mount --bind "$LAB_BOOT_ID" /proc/sys/kernel/random/boot_id; fi
mkdir -p "$1/node_modules/empty"
cd "$1/node_modules/empty"
shift
exec "$@"`;

/** Command and arguments in front of `agent …`. */
export function agentCommand(form: AgentForm): readonly [string, ...string[]] {
  const source = join(root, 'agent.ts');
  switch (form) {
    case 'binary':
      return [
        'unshare',
        '--mount',
        '--propagation',
        'private',
        'sh',
        '-c',
        alone,
        'alone',
        root,
        binaryPath,
      ];
    case 'bun':
      return [tool('bun'), source];
    case 'deno':
      return [tool('deno'), 'run', '-A', source];
    case 'node':
      return [tool('node'), source];
  }
}

/** Path of the agent's plugin socket on a host. */
export const pluginSocketOf = (host: LabHost): string =>
  join(host.pluginDirectory, 'fairlead.sock');

/** Starts the agent and waits until it can serve a container (or only until it answers). */
export async function startAgent(
  host: LabHost,
  form: AgentForm,
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly args?: readonly string[];
    /** `answering` when Open vSwitch or Docker are absent on purpose. */
    readonly until?: 'ready' | 'answering';
  } = {},
): Promise<HostProcess> {
  const [command, ...front] = agentCommand(form);
  if (form === 'binary' && !existsSync(binaryPath)) {
    throw new Error('there is no dist/fairlead: npm run build');
  }
  const agent = await host.spawnInHost(command, [...front, 'agent', ...(options.args ?? [])], {
    name: 'agent',
    env: {
      ...(form === 'binary' ? serviceEnvironment() : {}),
      ...host.agentEnvironment(),
      FAIRLEAD_LOG_LEVEL: 'debug',
      ...options.env,
    },
  });
  const ended = (): never | void => {
    if (!agent.isAlive()) throw new Error(`the agent ended: see ${agent.logFile}`);
  };
  if (options.until === 'answering') await agentAnswers(host, ended);
  else await agentReady(host, ended);
  return agent;
}

/** Waits until the plugin socket answers. */
export async function agentAnswers(host: LabHost, check: () => void = () => {}): Promise<void> {
  const answers = async () => {
    check();
    const client = openPluginClient(pluginSocketOf(host), 2_000);
    try {
      return (await client.call('/Plugin.Activate')).status === 200;
    } finally {
      client.close();
    }
  };
  await until('the agent answers', answers, { timeoutMs: startMs });
}

/** Waits until every gate of the agent's readiness is open. */
export async function agentReady(host: LabHost, check: () => void = () => {}): Promise<void> {
  const isReady = async () => {
    check();
    return (await apiGet(host, '/readyz')).status === 200;
  };
  await until('the agent is ready', isReady, { timeoutMs: startMs });
}

/** GETs from the agent's own API. */
export async function apiGet(
  host: LabHost,
  path: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const socket = host.agentEnvironment()['FAIRLEAD_API_SOCKET'];
  if (socket === undefined) throw new Error('the lab names no API socket');
  const client = openPluginClient(socket, answerMs);
  try {
    return await client.call(path, undefined, 'GET');
  } finally {
    client.close();
  }
}
