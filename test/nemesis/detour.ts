/** Sends all connections between sites through a proxy that takes its time. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { gatewayAddress, namespacePath } from '../lab/namespaces.ts';
import { runOk } from '../lab/run.ts';
import { voterPort } from './voters.ts';

/** Where connections go between. */
export interface DetourPlan {
  /** Namespace in which the proxy listens, at the gateway's address. */
  readonly outside: string;
  readonly sites: readonly { readonly namespace: string; readonly address: string }[];
  readonly delayMs: number;
}

const firstPort = 20_001;
const table = 'inet detour';

/** Begins it: connections of before are reset. The answer ends it. */
export async function makeDetour(plan: DetourPlan): Promise<() => Promise<void>> {
  const { outside, sites, delayMs } = plan;
  const node = join(import.meta.dirname, '../../node_modules/.bin/node');
  const script = join(import.meta.dirname, 'delay-proxy.ts');
  const ways = sites.map(({ address }, at) => `${firstPort + at}=${address}:${voterPort}`);
  const enter = [`--net=${namespacePath(outside)}`, node, script, String(delayMs), ...ways];
  const proxy = spawn('nsenter', enter, { stdio: 'ignore' });
  try {
    for (const { namespace } of sites) await setRules(namespace, redirections(sites));
  } catch (thrown) {
    proxy.kill('SIGKILL');
    throw thrown;
  }
  return async () => {
    for (const { namespace } of sites) await clearDetour(namespace);
    proxy.kill('SIGKILL');
  };
}

/** Connections of a namespace go straight again. */
export async function clearDetour(namespace: string): Promise<void> {
  await setRules(namespace, '');
}

function redirections(sites: DetourPlan['sites']): string {
  const to = sites.map(
    ({ address }, at) =>
      `ip daddr ${address} tcp dport ${voterPort} dnat ip to ${gatewayAddress}:${firstPort + at}`,
  );
  const direct = sites.map(
    ({ address }) => `ip daddr ${address} tcp dport ${voterPort} reject with tcp reset`,
  );
  return [
    `chain around { type nat hook output priority -100; ${to.join('; ')}; }`,
    // what was connected before is not redirected: it has to connect again
    `chain direct { type filter hook output priority 10; ${direct.join('; ')}; }`,
  ].join('\n');
}

async function setRules(namespace: string, body: string): Promise<void> {
  const input = `table ${table} {}\ndelete table ${table}\ntable ${table} {\n${body}\n}\n`;
  await runOk(['nsenter', `--net=${namespacePath(namespace)}`, 'nft', '-f', '-'], { input });
}
