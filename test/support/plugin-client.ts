/**
 * Speaks to a plugin socket the way an engine does: POST, JSON, keep-alive, no Content-Type. Used by
 * tests and benches that stand in for Docker.
 */
import { Agent, request } from 'node:http';

/** An answer: HTTP status, parsed JSON, and how long it took. */
export interface PluginAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly ms: number;
}

/** A client of one plugin socket; `close` ends its connections. */
export interface PluginClient {
  call(path: string, body?: unknown, method?: 'GET' | 'POST'): Promise<PluginAnswer>;
  /** Like `call`, but throws what the plugin refused. */
  must(path: string, body?: unknown): Promise<Record<string, unknown>>;
  close(): void;
}

/** Opens a client; connections are made when needed. Engines differ in what they send as `host`. */
export function openPluginClient(
  socketPath: string,
  timeoutMs = 30_000,
  host = 'plugin.moby.localhost',
): PluginClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const call: PluginClient['call'] = (path, body, method = 'POST') => {
    const started = performance.now();
    const text = body === undefined ? '' : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent,
          socketPath,
          path,
          method,
          timeout: timeoutMs,
          headers: {
            accept: 'application/vnd.docker.plugins.v1.2+json',
            'content-length': Buffer.byteLength(text),
            host,
          },
        },
        (incoming) => {
          const parts: Buffer[] = [];
          incoming.on('data', (part: Buffer) => parts.push(part));
          incoming.on('error', reject);
          incoming.on('end', () => {
            const ms = performance.now() - started;
            const answer = Buffer.concat(parts).toString();
            let json: Record<string, unknown>;
            try {
              json = JSON.parse(answer) as Record<string, unknown>;
            } catch {
              reject(new Error(`${path} answered no JSON: ${answer}`));
              return;
            }
            resolve({ status: incoming.statusCode ?? 0, body: json, ms });
          });
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error(`${path} timed out`)));
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  };
  return {
    call,
    async must(path, body) {
      const answer = await call(path, body);
      const refusal = answer.body['Err'] ?? answer.body['Error'];
      if (answer.status !== 200 || refusal) throw new Error(`${path}: ${String(refusal)}`);
      return answer.body;
    },
    close: () => agent.destroy(),
  };
}
