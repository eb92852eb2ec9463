/** Stands in for an agent's API where only what commands make of an answer is tested. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** What a test knows of it. */
export interface ApiStandIn {
  /** To be given as `--run-dir`. */
  readonly folder: string;
  /** Method and path of each request of the test. */
  readonly asked: readonly string[];
}

/** One for each test of the file, which gives the same answer to whatever it is asked. */
export function apiStandIn(answer: () => object): ApiStandIn {
  const stands = { folder: '', asked: [] as string[] };
  let server: Server;
  beforeEach(async () => {
    stands.folder = mkdtempSync(join(tmpdir(), 'fairlead-cli-'));
    stands.asked = [];
    server = createServer((incoming, outgoing) => {
      stands.asked.push(`${incoming.method} ${incoming.url}`);
      outgoing.end(JSON.stringify(answer()));
    });
    await new Promise<void>((resolve) => server.listen(join(stands.folder, 'api.sock'), resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(stands.folder, { recursive: true });
  });
  return stands;
}
