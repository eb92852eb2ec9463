/**
 * Whether a folder can become a managed plugin that works. What engines answer with a timeout, or with a line about
 * something else, is looked for here and named by its cause.
 */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { z } from 'zod';
import { FairleadError } from '../errors.ts';
import { bundleFilesMax, pluginConfigBytesMax, pluginSocketNameCharactersMax } from '../limits.ts';
import { readElf, type ElfFacts } from './elf.ts';
import { pluginSocketName } from './plugin-config.ts';
import { folderMark } from './plugin-folder.ts';

/** Something that keeps a plugin from working. */
export interface PluginFault {
  readonly what: string;
  readonly fix: string;
}

const configSchema = z.object({
  entrypoint: z.array(z.string()).min(1),
  interface: z.object({ types: z.array(z.string()), socket: z.string() }),
  network: z.object({ type: z.string() }),
  mounts: z
    .array(z.object({ source: z.string(), destination: z.string() }))
    .nullish()
    .transform((mounts) => mounts ?? []),
  env: z
    .array(z.object({ name: z.string(), value: z.string().nullish() }))
    .nullish()
    .transform((env) => env ?? []),
});
type Config = z.output<typeof configSchema>;

/**
 * What is wrong with a folder, nothing for one that works on a host of this machine.
 * @throws PLUGIN_FOLDER when it is none
 */
export function checkPluginFolder(folder: string, machine: string): readonly PluginFault[] {
  const config = readConfig(folder);
  return [
    ...socketFaults(config),
    ...nameFaults(folder, config),
    ...programFaults(join(folder, 'rootfs'), config, machine),
  ];
}

function readConfig(folder: string): Config {
  const path = join(folder, 'config.json');
  try {
    if (lstatSync(path).size > pluginConfigBytesMax) throw new Error('it is too large');
    return configSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const issue = cause instanceof z.ZodError ? cause.issues[0] : undefined;
    const why = issue === undefined ? String(cause) : `${issue.path.join('.')}: ${issue.message}`;
    throw new FairleadError('PLUGIN_FOLDER', `${path} is no config of a plugin: ${why}`, { cause });
  }
}

/** Where the engine looks, and whether it can. */
function socketFaults({ interface: { types, socket }, mounts }: Config): readonly PluginFault[] {
  const faults: PluginFault[] = [];
  if (socket.length > pluginSocketNameCharactersMax) {
    faults.push({
      what: `the socket ${socket} has ${socket.length} characters: with /run/docker/plugins and the plugin's id before it, it is too long for the path of a socket, and enabling it says "invalid argument"`,
      fix: `give interface.socket at most ${pluginSocketNameCharactersMax} characters`,
    });
  } else if (socket !== pluginSocketName) {
    faults.push({
      what: `the engine looks for ${socket}, and Fairlead makes ${pluginSocketName}: enabling it would end in "no such file or directory" after 12 seconds`,
      fix: `let interface.socket be ${pluginSocketName}`,
    });
  }
  for (const type of ['docker.networkdriver/1.0', 'docker.ipamdriver/1.0']) {
    if (types.includes(type)) continue;
    faults.push({
      what: `interface.types has no ${type}: engines will not ask it for ${type.includes('ipam') ? 'addresses' : 'networks'}`,
      fix: `add ${type} to interface.types`,
    });
  }
  for (const { source, destination } of mounts) {
    if (!['/run', '/run/docker', '/run/docker/plugins', '/var/run'].includes(destination)) continue;
    faults.push({
      what: `a mount of ${source} at ${destination} covers the folder in which the engine looks for the socket`,
      fix: 'mount single folders, each at a place of its own',
    });
  }
  return faults;
}

/** What would tie a folder to one name, or keep a second plugin from being made. */
function nameFaults(folder: string, { env }: Config): readonly PluginFault[] {
  const faults: PluginFault[] = [];
  const fixed = env.find(({ name, value }) => name.endsWith('PLUGIN_NAME') && (value ?? '') !== '');
  if (fixed !== undefined) {
    faults.push({
      what: `${fixed.name} is ${fixed.value} in config.json: under another name the plugin would not know its own networks`,
      fix: 'leave it empty; the agent asks the engine what its plugins are called',
    });
  }
  const mark = join(folder, 'rootfs', folderMark);
  if (lstatSync(mark, { throwIfNoEntry: false })?.isFile() !== true) {
    faults.push({
      what: `rootfs has no ${folderMark}: a second plugin made from the same files is refused with "content already exists"`,
      fix: 'make a folder for each name: fairlead plugin folder DIR',
    });
  }
  return faults;
}

/** Whether the program finds all that it needs inside. */
function programFaults(
  root: string,
  { entrypoint }: Config,
  machine: string,
): readonly PluginFault[] {
  const program = entrypoint[0] ?? '';
  const facts = elfAt(join(root, program));
  if (facts === undefined) {
    return [
      {
        what: `rootfs has no program ${program}, which config.json starts`,
        fix: 'put the binary there',
      },
    ];
  }
  const faults: PluginFault[] = [];
  if (facts.machine !== machine) {
    faults.push({
      what: `${program} is for ${facts.machine}, this host is ${machine}`,
      fix: 'make the folder on a host of this kind',
    });
  }
  const { interpreter } = facts;
  if (interpreter !== undefined && elfAt(join(root, interpreter)) === undefined) {
    faults.push({
      what: `${program} is started by ${interpreter}, which rootfs does not have: the engine would say "no such file or directory" of the program itself`,
      fix: `copy ${interpreter} of this host to rootfs${interpreter}`,
    });
  }
  const libraries = new Map<string, ElfFacts>();
  for (const path of sharedLibraries(root)) {
    const library = elfAt(path);
    if (library !== undefined) libraries.set(posix.basename(path), library);
  }
  // native code is unpacked by the program: what it needs cannot be read from files
  const wanted = [...facts.needed, 'libstdc++.so.6'];
  const lacking = new Set<string>();
  for (let at = 0; at < wanted.length; at++) {
    const name = wanted[at] ?? '';
    const library = libraries.get(name);
    if (library === undefined) lacking.add(name);
    else wanted.push(...library.needed.filter((next) => !wanted.includes(next)));
  }
  for (const name of lacking) {
    faults.push({
      what: `rootfs has no ${name}, without which ${program} does not run in it`,
      fix: 'make the folder anew on a host where fairlead self-test works: fairlead plugin folder DIR',
    });
  }
  return faults;
}

/** A program or library inside, undefined when there is none. */
function elfAt(path: string): ElfFacts | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true ? readElf(path) : undefined;
}

function sharedLibraries(root: string): readonly string[] {
  const found: string[] = [];
  const pending = ['lib', 'lib64', 'usr/lib', 'usr/lib64'].map((path) => join(root, path));
  let seen = 0;
  for (const folder of pending) {
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) continue;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (++seen > bundleFilesMax) {
        throw new FairleadError('PLUGIN_FOLDER', `${root} has more files than a plugin needs`);
      }
      const path = join(folder, entry.name);
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile() && entry.name.includes('.so')) found.push(path);
    }
  }
  return found;
}
