import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { asFairleadError } from '../../lib/errors.ts';
import { endpointName } from '../../lib/store/etcd/transport.ts';
import { fromContivEndpoints, parseStoreUrl } from '../../lib/store/store-url.ts';

describe('the URL of a store', () => {
  test.each([
    [
      'etcd://10.0.0.1:2379',
      { endpoints: [{ host: '10.0.0.1', port: 2379 }], prefix: '/fairlead/' },
    ],
    ['etcd://etcd', { endpoints: [{ host: 'etcd', port: 2379 }], prefix: '/fairlead/' }],
    ['etcd://etcd/', { endpoints: [{ host: 'etcd', port: 2379 }], prefix: '/fairlead/' }],
    [
      'etcd://a:1,b.example.org:65535,[fd00::2]:2379,[::1]/site-1/net',
      {
        endpoints: [
          { host: 'a', port: 1 },
          { host: 'b.example.org', port: 65_535 },
          { host: 'fd00::2', port: 2379 },
          { host: '::1', port: 2379 },
        ],
        prefix: '/site-1/net/',
      },
    ],
    [
      'etcds://a/x/?ca=/etc/ca.pem&cert=/etc/c%20c.pem&key=/etc/key.pem&user=root&password-file=/run/pw',
      {
        endpoints: [{ host: 'a', port: 2379 }],
        prefix: '/x/',
        tls: { caFile: '/etc/ca.pem', certFile: '/etc/c c.pem', keyFile: '/etc/key.pem' },
        login: { user: 'root', passwordFile: '/run/pw' },
      },
    ],
    ['etcds://a', { endpoints: [{ host: 'a', port: 2379 }], prefix: '/fairlead/', tls: {} }],
  ])('%s', (text, expected) => {
    expect(parseStoreUrl(text)).toEqual({ engine: 'etcd', ...expected });
  });

  test.each([
    '',
    'etcd',
    'etcd:',
    'etcd:/a',
    'etcd://',
    'etcd://,',
    'etcd://a,',
    'etcd://a:0',
    'etcd://a:65536',
    'etcd://a:02379',
    'etcd://a:',
    'etcd://a:x',
    'etcd://a b',
    'etcd://-a',
    'etcd://fd00::2',
    'etcd://[fd00::2',
    'etcd://[10.0.0.1]:2379',
    'etcd://[]:2379',
    'etcd://a,a:2379',
    'etcd://user:password@a',
    'etcd://a#x',
    'etcd://a/x y',
    'etcd://a/x//y',
    'etcd://a/../y',
    'etcd://a/x%2f',
    `etcd://a/${'x'.repeat(255)}`,
    `etcd://${Array.from({ length: 17 }, (_, n) => `h${n}`).join()}`,
    'etcd://a?',
    'etcd://a?ca=/x',
    'etcds://a?cert=/x',
    'etcds://a?key=/x',
    'etcds://a?ca=x',
    'etcds://a?ca=/x&ca=/y',
    'etcds://a?ca=%zz',
    'etcds://a?insecure=1',
    'etcds://a?ca',
    'etcd://a?user=x',
    'etcd://a?user=&password-file=/x',
    'etcd://a?password-file=/x',
    'http://a:2379',
    'ETCD://a',
    ' etcd://a',
  ])('refuses %j and says why', (text) => {
    const error = asFairleadError(failureOf(() => parseStoreUrl(text)));
    expect(error.code).toBe('USAGE');
    expect(error.message).toContain(JSON.stringify(text));
  });

  it('gives back every endpoint as it was written', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().filter((address) => !address.includes('.')),
    );
    const endpoint = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) });
    const endpoints = fc.uniqueArray(endpoint, {
      minLength: 1,
      maxLength: 16,
      selector: endpointName,
    });
    fc.assert(
      fc.property(endpoints, (list) => {
        const names = list.map(endpointName);
        expect(parseStoreUrl(`etcd://${names.join()}`).endpoints).toEqual(list);
        const contiv = names.map((name) => `http://${name}`).join();
        expect(fromContivEndpoints(contiv).endpoints).toEqual(list);
      }),
    );
  });

  it('throws nothing but USAGE, whatever is written', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom('', 'etcd://', 'etcds://a?', 'etcd://a/'),
        (text, start) => {
          const thrown = failureOf(() => parseStoreUrl(start + text));
          if (thrown !== undefined) expect(asFairleadError(thrown).code).toBe('USAGE');
        },
      ),
    );
  });
});

describe('endpoints as Contiv took them', () => {
  it('are those of one etcd, with the prefix that we have by default', () => {
    expect(fromContivEndpoints('http://10.0.0.1:2379,http://[fd00::2]:4001/')).toEqual({
      engine: 'etcd',
      endpoints: [
        { host: '10.0.0.1', port: 2379 },
        { host: 'fd00::2', port: 4001 },
      ],
      prefix: '/fairlead/',
    });
    expect(fromContivEndpoints('https://a:2379')).toMatchObject({ tls: {} });
  });

  test.each(['', 'a:2379', 'etcd://a', 'http://a,https://b', 'http://a/x', 'http://a, http://b'])(
    'refuses %j',
    (text) => {
      expect(asFairleadError(failureOf(() => fromContivEndpoints(text))).code).toBe('USAGE');
    },
  );
});

function failureOf(act: () => unknown): unknown {
  try {
    act();
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}
