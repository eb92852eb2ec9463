/** The units say the same as the program, and systemd understands them. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { agentOptionTable } from '../../lib/cli/agent-options.ts';
import { inheritedSockets } from '../../lib/runtime/inherited.ts';
import { serviceEnvironment } from '../support/service-environment.ts';

const folder = resolve(import.meta.dirname, '../../systemd');
const socket = readFileSync(join(folder, 'fairlead.socket'), 'utf8');
const service = readFileSync(join(folder, 'fairlead.service'), 'utf8');

/** The words of a setting, of all its lines. */
function words(unit: string, name: string): readonly string[] {
  const lines = unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'));
  return [...lines].flatMap(([, value = '']) => value.split(' ').filter((word) => word !== ''));
}

test('the socket is where the agent would make it, and is handed over as the plugin socket', () => {
  const facts = { hostName: 'x', stdoutIsTty: false, textOf: () => 'fairlead' };
  const { defaultText } = agentOptionTable.pluginSocket;
  expect(words(socket, 'ListenStream')).toEqual([
    typeof defaultText === 'function' ? defaultText(facts) : defaultText,
  ]);
  const [name] = words(socket, 'FileDescriptorName');
  const environment = { LISTEN_FDS: '1', LISTEN_PID: '7', LISTEN_FDNAMES: name };
  expect([...inheritedSockets(environment, 7)]).toEqual([['plugin', 3]]);
});

test('the folders are those of the options', () => {
  const [state = '', temporary = ''] = words(service, 'StateDirectory');
  expect(`/var/lib/${state}`).toBe(agentOptionTable.dataDir.defaultText);
  expect(words(service, 'Environment')).toContain(`TMPDIR=/var/lib/${temporary}`);
  expect(`/run/${words(service, 'RuntimeDirectory').join()}`).toBe(
    agentOptionTable.runDir.defaultText,
  );
});

test('Docker starts after both, and a stopped socket leaves no file behind', () => {
  expect(words(socket, 'Before')).toContain('docker.service');
  expect(words(service, 'Before')).toContain('docker.service');
  expect(words(socket, 'RemoveOnStop')).toEqual(['yes']);
});

test('nothing in the environment changes what the runtime executes', () => {
  expect(words(service, 'UnsetEnvironment')).toEqual(
    expect.arrayContaining(['BUN_OPTIONS', 'BUN_BE_BUN', 'NODE_OPTIONS', 'LD_PRELOAD']),
  );
});

test('the runtime is told how to live with little', () => {
  expect(serviceEnvironment()).toEqual({
    BUN_JSC_useFTLJIT: '0',
    BUN_JSC_forceRAMSize: String(448 * 1024 * 1024),
    MIMALLOC_PURGE_DELAY: '1000',
  });
});

test('systemd finds nothing wrong with them', async () => {
  const analyze = '/usr/bin/systemd-analyze';
  // a machine without systemd has nothing to say about units
  if (!existsSync(analyze)) return;
  const copies = mkdtempSync(join(tmpdir(), 'units-test-'));
  try {
    // systemd wants to see the program; the one that runs this test is there for sure
    const runnable = service.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`);
    writeFileSync(join(copies, 'fairlead.socket'), socket);
    writeFileSync(join(copies, 'fairlead.service'), runnable);
    const units = ['fairlead.socket', 'fairlead.service'].map((name) => join(copies, name));
    const { stdout, stderr } = await promisify(execFile)(analyze, ['verify', ...units]);
    const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('fairlead'));
    expect(ours).toEqual([]);
  } finally {
    rmSync(copies, { recursive: true });
  }
});

test('the service may do no more than its documents say', async () => {
  const analyze = '/usr/bin/systemd-analyze';
  if (!existsSync(analyze)) return;
  const path = join(folder, 'fairlead.service');
  const { stdout } = await promisify(execFile)(analyze, ['security', '--offline=true', path]);
  const figure = Number(/exposure level for \S+: ([0-9.]+)/.exec(stdout)?.[1]);
  const install = readFileSync(resolve(folder, '../docs/install.md'), 'utf8');
  const said = Number(/says\s+([0-9.]+) \(OK\)/.exec(install)?.[1]);
  expect(figure).toBeLessThanOrEqual(said);
});
