/** Settings of the kernel: changed where needed, remembered, put back. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KernelSettings } from '../../../lib/datapath/outside/kernel-settings.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const root = () => join(directory, 'net');
const notes = () => join(directory, 'run', 'notes.json');
const open = () => new KernelSettings(notes(), root());
const put = (path: string, value: string) => {
  mkdirSync(dirname(join(root(), path)), { recursive: true });
  writeFileSync(join(root(), path), `${value}\n`);
};
const has = (path: string) => readFileSync(join(root(), path), 'utf8').trim();
const nobody = () => false;

it('changes what is not so, and puts back what it changed, also after a restart', async () => {
  put('a', '0');
  put('b', '1');
  const wanted = new Map([
    ['a', '1'],
    ['b', '1'],
    ['absent', '1'],
  ]);
  expect(await open().ensure(wanted, nobody)).toBe(1);
  expect([has('a'), has('b')]).toEqual(['1', '1']);
  expect([...(await open().held())]).toEqual(['a']);
  const settings = open();
  expect(await settings.ensure(wanted, nobody)).toBe(0);
  expect(await settings.ensure(new Map(), nobody)).toBe(1);
  expect([has('a'), has('b')]).toEqual(['0', '1']);
  expect(existsSync(notes())).toBe(false);
});

it('remembers the value of before the first change, however often it is changed again', async () => {
  put('a', '0');
  const wanted = new Map([['a', '1']]);
  const settings = open();
  await settings.ensure(wanted, nobody);
  put('a', '7');
  await settings.ensure(wanted, nobody);
  expect(has('a')).toBe('1');
  await open().ensure(new Map(), nobody);
  expect(has('a')).toBe('0');
});

it('leaves what somebody else has changed since, or needs by now', async () => {
  put('a', '0');
  put('b', '0');
  const settings = open();
  await settings.ensure(
    new Map([
      ['a', '1'],
      ['b', '1'],
    ]),
    nobody,
  );
  put('a', '2');
  expect(await settings.ensure(new Map(), (path) => path === 'b')).toBe(0);
  expect([has('a'), has('b')]).toEqual(['2', '1']);
  expect([...(await open().held())]).toEqual([]);
});

it('notes a change before it makes it, and puts the last one back first', async () => {
  put('a', '0');
  put('b', '0');
  const order: string[] = [];
  class Watched extends KernelSettings {
    override async read(path: string): Promise<string | undefined> {
      if (existsSync(notes()))
        order.push(`${path} noted ${readFileSync(notes(), 'utf8').includes(path)}`);
      return super.read(path);
    }
  }
  const settings = new Watched(notes(), root());
  await settings.ensure(
    new Map([
      ['a', '1'],
      ['b', '1'],
    ]),
    nobody,
  );
  order.length = 0;
  await settings.ensure(new Map(), nobody);
  expect(order).toEqual(['b noted true', 'a noted true']);
});

it('takes notes that cannot be read for none', async () => {
  put('a', '1');
  mkdirSync(dirname(notes()), { recursive: true });
  writeFileSync(notes(), '{"a": {"before"');
  expect(await open().ensure(new Map(), nobody)).toBe(0);
  expect(has('a')).toBe('1');
});

it('says which setting could not be made', async () => {
  put('a', '0');
  rmSync(join(root(), 'a'));
  mkdirSync(join(root(), 'a'));
  await expect(open().setOwn('a', '1')).rejects.toMatchObject({ code: 'OUTSIDE_FAILED' });
});
