/**
 * The scenario of docs/cluster.md, typed on three hosts of a lab as it is printed there. The lab has no
 * systemd: `systemctl` starts and kills the agent as the units would. The data directory is the lab's.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HostProcess, LabHost } from '../lab/host.ts';
import { openLab } from '../lab/lab.ts';
import { binaryPath, startAgent } from '../support/agent-process.ts';
import { commandsOf, printsAs, type DocCommand } from '../support/console-doc.ts';

const lab = openLab();
const document = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'cluster.md'), 'utf8');
const commands = commandsOf(document);
const hosts = new Map<string, { readonly host: LabHost; agent: HostProcess }>();
let token = '';

const environmentOf = (name: string): Readonly<Record<string, string>> => ({ FAIRLEAD_NAME: name });

beforeAll(async () => {
  const names = [...new Set(commands.map(({ host }) => host))].toSorted();
  const machines = await lab.up(names.length);
  await Promise.all(
    machines.map(async (host, at) => {
      const name = names[at] ?? '';
      const agent = await startAgent(host, 'binary', { env: environmentOf(name) });
      hosts.set(name, { host, agent });
    }),
  );
});
afterAll(() => lab.down());

test('the document has the whole scenario', () => {
  expect(commands.length).toBeGreaterThan(30);
});

test.each(
  commands.map((command) => [command.line, command.host, command.command, command] as const),
)('line %i: %s# %s', async (_line, _host, _command, command) => {
  const { exitCode, output } = await type(command);
  expect({ exitCode, output, as: printsAs(output, command.output) }).toEqual({
    exitCode: command.exitCode,
    output,
    as: true,
  });
  token = /fairlead1\.[\w-]+/.exec(output)?.[0] ?? token;
});

async function type({
  host: name,
  command,
}: DocCommand): Promise<{ readonly exitCode: number; readonly output: string }> {
  const machine = hosts.get(name);
  if (machine === undefined) throw new Error(`no host ${name}`);
  const { host } = machine;
  if (command.startsWith('systemctl ')) {
    if (command.includes('kill')) await machine.agent.stop('SIGKILL');
    else machine.agent = await startAgent(host, 'binary', { env: environmentOf(name) });
    return { exitCode: 0, output: '' };
  }
  const environment = { ...host.agentEnvironment(), ...environmentOf(name) };
  const dataDirectory = environment['FAIRLEAD_DATA_DIR'] ?? '';
  const text = command
    .replaceAll('fairlead1.…', token)
    .replaceAll('/var/lib/fairlead', dataDirectory)
    .replaceAll('/tmp/', `${lab.directory}/`);
  const shell = `fairlead() { "${binaryPath}" "$@"; }\n${text}`;
  const { code, stdout, stderr } = await host.exec(['sh', '-c', shell], {
    env: { ...environment, DOCKER_HOST: `unix://${host.dockerSocket}` },
  });
  const output = `${stdout}${stderr}`.replaceAll(`${lab.directory}/`, '/tmp/');
  return { exitCode: code, output };
}
