/** The folder of a managed plugin, and what is said of folders that could not become one that works. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { checkPluginFolder } from '../../lib/bundle/plugin-check.ts';
import { pluginConfig } from '../../lib/bundle/plugin-config.ts';
import { loadedLibraries, makePluginFolder } from '../../lib/bundle/plugin-folder.ts';
import { settableVariables } from '../../lib/cli/plugin-commands.ts';
import { hasCode } from '../../lib/errors.ts';

const work = mkdtempSync(join(tmpdir(), 'plugin-folder-test-'));
afterAll(() => rmSync(work, { recursive: true }));

let folder = '';
beforeEach(() => {
  folder = join(mkdtempSync(join(work, 'f-')), 'plugin');
});

/** Node's own binary needs what ours does. */
function make(way: 'shim' | 'agent' = 'shim', libraries = loadedLibraries()): void {
  makePluginFolder({
    folder,
    program: process.execPath,
    libraries,
    way,
    version: '0.1.0',
    folderId: 'abc',
    variables: settableVariables(way),
  });
}

interface Config {
  description: string;
  interface: { types: string[]; socket: string };
  network: { type: string };
  mounts: { name: string; destination: string; settable: string[] }[];
  env: { name: string; value: string; settable?: string[] }[];
  linux: { capabilities: string[] };
}

const read = (): Config => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Config;
function change(edit: (config: Config) => void): void {
  const config = read();
  edit(config);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
}
const faults = () => checkPluginFolder(folder, process.arch).map(({ what }) => what);

describe('a folder', () => {
  test('has nothing wrong with it, for either way', () => {
    for (const way of ['shim', 'agent'] as const) {
      rmSync(folder, { recursive: true, force: true });
      make(way);
      expect(faults()).toEqual([]);
    }
  });

  test('has the program, the libraries under the names they are needed by, and a place to unpack', () => {
    make();
    expect(statSync(join(folder, 'rootfs/fairlead')).mode & 0o111).toBe(0o111);
    const files = readdirSync(join(folder, 'rootfs'), { recursive: true, encoding: 'utf8' });
    const names = new Set(files.map((path) => basename(path)));
    for (const name of ['libc.so.6', 'libstdc++.so.6', 'libm.so.6']) expect(names).toContain(name);
    expect(statSync(join(folder, 'rootfs/tmp')).mode & 0o7777).toBe(0o1777);
    expect(readFileSync(join(folder, 'rootfs/etc/fairlead-plugin'), 'utf8')).toBe('abc\n');
  });

  test('of a shim asks for no more than one folder of the host', () => {
    make('shim');
    const { network, linux, mounts } = read();
    expect(network.type).toBe('none');
    expect(linux.capabilities).toEqual([]);
    expect(mounts).toMatchObject([{ name: 'agent', settable: ['source'] }]);
  });

  test('of an agent asks for the network of the host, its links, and three places', () => {
    make('agent');
    const { network, linux, mounts } = read();
    expect(network.type).toBe('host');
    expect(linux.capabilities).toEqual(['CAP_NET_ADMIN']);
    expect(mounts.map(({ name }) => name)).toEqual(['state', 'openvswitch', 'docker']);
  });

  test('takes our variables and all of Contiv’s', () => {
    for (const way of ['shim', 'agent'] as const) {
      const { env } = pluginConfig({
        ...{ way, version: '1', folderId: 'x', variables: settableVariables(way) },
      }) as Config;
      const settable = env.filter(({ settable: what }) => what?.[0] === 'value');
      const names = settable.map(({ name }) => name);
      expect(new Set(names).size).toBe(env.length - 1);
      expect(names).toContain('FAIRLEAD_PLUGIN_SCOPE');
      expect(names).toContain('FAIRLEAD_LOG_LEVEL');
      expect(names).toContain('CONTIV_NETPLUGIN_VLAN_UPLINKS');
      expect(names).toContain('CONTIV_NETMASTER_ETCD_ENDPOINTS');
      expect(names).toContain('CONTIV_ROLE');
      expect(names.includes('FAIRLEAD_UPLINKS')).toBe(way === 'agent');
      expect(names).not.toContain('FAIRLEAD_PLUGIN_NAME');
    }
  });

  test('is not made over one that is there, nor from what is no program', () => {
    make();
    expect(() => make()).toThrow(/is there already/);
    rmSync(folder, { recursive: true });
    const script = join(work, 'script');
    writeFileSync(script, '#!/bin/sh\n');
    const order = {
      libraries: [],
      way: 'shim',
      version: '1',
      folderId: 'x',
      variables: [],
    } as const;
    expect(() => makePluginFolder({ folder, program: script, ...order })).toThrow(/is no program/);
  });
});

describe('the check names', () => {
  beforeEach(() => make());

  test('a socket where the engine does not look', () => {
    change((config) => (config.interface.socket = 'net.sock'));
    expect(faults()).toEqual([expect.stringContaining('looks for net.sock')]);
  });

  test('a mount that covers the place of the socket', () => {
    change((config) => config.mounts.push({ name: 'run', destination: '/run', settable: [] }));
    change((config) => Object.assign(config.mounts[1] ?? {}, { source: '/run' }));
    expect(faults()).toEqual([expect.stringContaining('covers the folder')]);
  });

  test('a path that is too long for a socket', () => {
    change((config) => (config.interface.socket = `${'a'.repeat(18)}.sock`));
    expect(faults()).toEqual([expect.stringContaining('23 characters')]);
  });

  test('a role that engines would not ask for', () => {
    change((config) => config.interface.types.pop());
    expect(faults()).toEqual([expect.stringContaining('ipamdriver')]);
  });

  test('a name that cannot be changed', () => {
    change((config) => config.env.push({ name: 'CONTIV_NETMASTER_PLUGIN_NAME', value: 'contiv' }));
    expect(faults()).toEqual([expect.stringContaining('under another name')]);
  });

  test('a root that a second plugin would have the same', () => {
    rmSync(join(folder, 'rootfs/etc/fairlead-plugin'));
    expect(faults()).toEqual([expect.stringContaining('content already exists')]);
  });

  test('a program that is missing, for another machine, or does not find what it needs', () => {
    const machine = process.arch === 'x64' ? 'arm64' : 'x64';
    const [foreign] = checkPluginFolder(folder, machine);
    expect(foreign?.what).toContain(`this host is ${machine}`);
    rmSync(folder, { recursive: true });
    make(
      'shim',
      loadedLibraries().filter((path) => !path.includes('libstdc++')),
    );
    expect(faults()).toEqual([expect.stringContaining('has no libstdc++.so.6')]);
    rmSync(join(folder, 'rootfs/fairlead'));
    expect(faults()).toEqual([expect.stringContaining('no program /fairlead')]);
  });

  test('a linker that is missing', () => {
    rmSync(folder, { recursive: true });
    make('shim', []);
    for (const name of readdirSync(join(folder, 'rootfs'))) {
      if (name.startsWith('lib')) rmSync(join(folder, 'rootfs', name), { recursive: true });
    }
    expect(faults()[0]).toContain('is started by');
  });

  test('what is no folder of a plugin', () => {
    writeFileSync(join(folder, 'config.json'), '{"entrypoint":[]}');
    const attempt = (): unknown => checkPluginFolder(folder, 'x64');
    expect(attempt).toThrow(/no config of a plugin/);
    try {
      attempt();
    } catch (thrown) {
      expect(hasCode(thrown, 'PLUGIN_FOLDER')).toBe(true);
    }
  });
});
