/** Levels of the parts of a log, and that every part that speaks is known. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { createLogs, logParts, type Logs } from '../lib/log.ts';
import { listFiles } from './support/source.ts';

let lines: string[] = [];
let copies: string[] = [];
let logs: Logs;
beforeEach(() => {
  [lines, copies] = [[], []];
  logs = createLogs({
    ...{ level: 'info', format: 'pretty', node: 'h1' },
    write: (line) => lines.push(line),
    copyTo: (line) => copies.push(line),
  });
});

/** How many lines a part says at debug. */
function saidAtDebug(part: string, logger = logs.root.child({ part })): number {
  const before = lines.length;
  logger.debug('something');
  return lines.length - before;
}

test('a copy of each line is JSON, whatever the form of the others', () => {
  logs.root.child({ part: 'store' }).info({ network: 'n' }, 'made');
  expect(lines[0]).toMatch(/INFO {2}store: made network=n\n$/);
  expect(JSON.parse(copies[0] ?? '')).toMatchObject({
    ...{ level: 'info', node: 'h1', part: 'store', msg: 'made', network: 'n' },
  });
});

describe('levels', () => {
  test('of a part are those of its loggers, before and after', () => {
    const [ovsdb, other] = [
      logs.root.child({ part: 'ovsdb' }),
      logs.root.child({ part: 'switch' }),
    ];
    const session = ovsdb.child({ session: 1 });
    logs.levels.set('debug', 'ovsdb');
    expect(saidAtDebug('ovsdb')).toBe(1);
    expect([ovsdb, session, other].map((logger) => saidAtDebug('', logger))).toEqual([1, 1, 0]);
    expect([...logs.levels.ofParts]).toEqual([['ovsdb', 'debug']]);
  });

  test('of all are set at once, and parts have none of their own then', () => {
    const ovsdb = logs.root.child({ part: 'ovsdb' });
    logs.levels.set('error', 'ovsdb');
    logs.levels.set('debug');
    expect(logs.levels.level).toBe('debug');
    expect(logs.levels.ofParts.size).toBe(0);
    expect([saidAtDebug('', ovsdb), saidAtDebug('switch'), saidAtDebug('', logs.root)]).toEqual([
      1, 1, 1,
    ]);
    logs.levels.set('info');
    expect(saidAtDebug('', ovsdb)).toBe(0);
  });

  test('hold for a part after thousands of others came and went', () => {
    const ovsdb = logs.root.child({ part: 'ovsdb' });
    for (let each = 0; each < 5_000; each++) logs.root.child({ part: 'peer' });
    logs.levels.set('debug', 'ovsdb');
    expect(saidAtDebug('', ovsdb)).toBe(1);
  });
});

test('every part that speaks is one whose level can be set, and no other', () => {
  const root = resolve(import.meta.dirname, '..');
  const files = listFiles(root).filter((path) => path.startsWith('lib/') || path === 'agent.ts');
  const found = files.flatMap((path) =>
    [...readFileSync(join(root, path), 'utf8').matchAll(/child\(\{ part: '([a-z]+)'/g)].map(
      ([, part]) => part,
    ),
  );
  // lines about lost lines are made where they are sent
  expect(new Set([...found, 'log'])).toEqual(new Set(logParts));
});
