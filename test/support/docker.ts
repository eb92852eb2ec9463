/** Docker's command line as tests use it. */
import type { LabHost } from '../lab/host.ts';

/** Runs docker and gives its trimmed output; throws what it said when it failed. */
export async function dockerOk(host: LabHost, args: readonly string[]): Promise<string> {
  const outcome = await host.docker(args, { timeoutMs: 120_000 });
  if (outcome.code !== 0) {
    throw new Error(`docker ${args.join(' ')}: ${outcome.stderr.trim() || outcome.stdout.trim()}`);
  }
  return outcome.stdout.trim();
}

/** The command that makes a network of ours, addresses included. */
export const networkCommand = (name: string, ...args: string[]): readonly string[] => [
  ...['network', 'create', '-d', 'fairlead', '--ipam-driver', 'fairlead'],
  ...args,
  name,
];

/** Removes every container, running or not. */
export async function removeContainers(host: LabHost): Promise<void> {
  const containers = (await dockerOk(host, ['ps', '-aq'])).split('\n').filter(Boolean);
  if (containers.length > 0) await dockerOk(host, ['rm', '-f', ...containers]);
}

/** Names of the containers that run. */
export async function runningContainers(host: LabHost): Promise<readonly string[]> {
  return (await dockerOk(host, ['ps', '--format', '{{.Names}}'])).split('\n').filter(Boolean);
}

/** A container to be. */
export interface ContainerWish {
  readonly name: string;
  /** Docker's name of its network. */
  readonly network: string;
  /** More arguments of `docker run`. */
  readonly options?: readonly string[];
  /** What it runs; it sleeps without it. */
  readonly command?: readonly string[];
}

/** The command that starts a container. */
export const runCommand = (image: string, wish: ContainerWish): readonly string[] => [
  ...['run', '-d', '--name', wish.name, '--network', wish.network],
  ...(wish.options ?? []),
  image,
  ...(wish.command ?? ['sleep', '1000000']),
];
