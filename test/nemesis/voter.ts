/**
 * One voter under test, on any runtime: opens an engine and serves it on a unix socket until it is ended.
 *
 *     voter.ts SETTINGS        (JSON: `VoterSettings`)
 *
 * Ends with its input, too: it outlives nobody who started it. Says `open` and then `ready` on standard output; on SIGTERM closes and exits with 0. An engine that dies
 * takes the process with it, as the agent's does.
 */
import { writeSync } from 'node:fs';
import { asFairleadError, describeError, type FairleadError } from '../../lib/errors.ts';
import { openEngine, type VoterSettings } from './engines.ts';
import { serveEngine } from './store-server.ts';

const settings = JSON.parse(process.argv[2] ?? '') as VoterSettings;

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

function die(error: FairleadError): never {
  say(`fatal ${describeError(error)}`);
  process.exit(70);
}

try {
  const engine = await openEngine(settings, die);
  say('open');
  await serveEngine(settings.socketPath, engine);
  say(`ready ${process.pid}`);
  process.stdin.on('end', () => process.exit(0)).resume();
  process.once('SIGTERM', () => {
    void engine.close().finally(() => process.exit(0));
  });
} catch (thrown) {
  die(asFairleadError(thrown));
}
