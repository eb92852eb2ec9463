/** A site of the product as it is installed, less Docker and Open vSwitch: agents of the single file, filled by REST. */
import { execFile } from 'node:child_process';
import { Agent, request } from 'node:http';
import { promisify } from 'node:util';
import { httpOverSocket, startFreshAgent, type FreshAgent } from '../../compat/fresh-agent.ts';
import { freePort } from '../../support/free-port.ts';
import { until } from '../../support/until.ts';
import { ThinClient } from '../thin-client.ts';

const run = promisify(execFile);

/** How long new voters may take to be that: they are tried for a while first. */
const voteMs = 120_000;

/** A site with so many objects of each kind. */
export interface ApiSite {
  readonly objects: number;
  /** The processes. */
  readonly pids: readonly number[];
  /** Asks the first host; rejects with what it refuses. */
  ask(method: string, path: string, body?: object): Promise<string>;
  /** Its agents stand still until `resume`, which answers how to ask the first host at little cost until then. */
  stop(): void;
  resume(): ThinClient;
  close(): Promise<void>;
}

/** Starts one and fills it. */
export async function openApiSite(voters: 1 | 3, objects: number): Promise<ApiSite> {
  const agents: FreshAgent[] = [];
  const connections = new Agent({ keepAlive: true, maxSockets: 1 });
  const close = async (): Promise<void> => {
    connections.destroy();
    await Promise.all(agents.map((each) => each.close()));
  };
  try {
    for (let count = 1; count <= voters; count += 1)
      agents.push(await startFreshAgent(`v${count}`));
    const [first, ...others] = agents;
    if (first === undefined) throw new Error('there is no agent');
    if (others.length > 0) await join(first, others);
    let thin: ThinClient | undefined;
    const site: ApiSite = {
      objects,
      pids: agents.map(({ pid }) => pid),
      stop: () => {
        thin?.close();
        signal(agents, 'SIGSTOP');
      },
      resume: () => {
        signal(agents, 'SIGCONT');
        // anew: an agent hangs up on who says nothing for a while
        return (thin = new ThinClient(first.apiSocket));
      },
      ask: (method, path, body) => ask(first.apiSocket, connections, { method, path, body }),
      close: () => {
        thin?.close();
        return close();
      },
    };
    await fill(site);
    return site;
  } catch (cause) {
    await close();
    throw cause;
  }
}

function signal(agents: readonly FreshAgent[], name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const { pid } of agents) process.kill(pid, name);
}

const command = async ({ environment }: FreshAgent, words: readonly string[]): Promise<string> =>
  (await run('fairlead', words, { env: { ...environment } })).stdout;

async function join(first: FreshAgent, others: readonly FreshAgent[]): Promise<void> {
  const listen = async (): Promise<readonly string[]> => {
    const place = `127.0.0.1:${await freePort()}`;
    return ['--listen', place, '--advertise', place];
  };
  await command(first, ['cluster', 'init', ...(await listen())]);
  for (const other of others) {
    const line = await command(first, ['cluster', 'token', '--role', 'voter']);
    const token = line.trim().split(' ').at(-1) ?? '';
    await command(other, ['cluster', 'join', token, ...(await listen())]);
  }
  await until(
    'all of them vote',
    async () => {
      const asked = { method: 'GET', path: '/v1/cluster' };
      const { body: text } = await httpOverSocket(first.apiSocket, asked);
      const { members = [] } = JSON.parse(text) as {
        readonly members?: readonly { readonly standing: string }[];
      };
      const voting = members.filter(({ standing }) => /^(?:leader|follower)$/.test(standing));
      return voting.length === others.length + 1;
    },
    { timeoutMs: voteMs },
  );
}

const subnetAt = (number: number): string => `10.${number >> 8}.${number & 255}.0/24`;

/** What is made to measure it, and removed again: no object that is there has this number. */
export const spareSubnet = subnetAt(60_000);

async function fill(site: ApiSite): Promise<void> {
  const head = { apiVersion: 'fairlead/v1' };
  const at = (name: string, more: object = {}) => ({ tenant: 'default', name, ...more });
  const numbers = Array.from({ length: site.objects }, (_, number) => number);
  const documents = [
    { ...head, kind: 'global', metadata: { name: 'global' }, spec: { vxlans: '1-100000' } },
    { ...head, kind: 'policy', metadata: at('p'), spec: {} },
    ...numbers.map((number) => ({
      ...head,
      kind: 'network',
      metadata: at(`n${number}`),
      spec: { encap: 'vxlan', subnet: subnetAt(number) },
    })),
    ...numbers.map((number) => ({
      ...head,
      kind: 'endpointGroup',
      metadata: at(`g${number}`),
      spec: { networkName: 'n0' },
    })),
    ...numbers.map((number) => ({
      ...head,
      kind: 'rule',
      metadata: at(`r${number}`, { policy: 'p' }),
      spec: { direction: 'in', action: 'allow', protocol: 'tcp', port: 1 + number },
    })),
  ];
  for (let from = 0; from < documents.length; from += 15_000) {
    const part = documents.slice(from, from + 15_000);
    const lines = await site.ask('POST', '/v1/apply', { action: 'apply', documents: part });
    if (!lines.includes('"complete":true'))
      throw new Error(`not all was made: ${lines.slice(-500)}`);
  }
}

function ask(
  socketPath: string,
  agent: Agent,
  {
    method,
    path,
    body,
  }: { readonly method: string; readonly path: string; readonly body: object | undefined },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'fairlead', accept: 'application/json' };
    const outgoing = request({ socketPath, method, path, headers, agent }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (part: string) => (text += part));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const status = incoming.statusCode ?? 0;
        if (status < 400) resolve(text);
        else reject(new Error(`${method} ${path}: ${status} ${text}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
