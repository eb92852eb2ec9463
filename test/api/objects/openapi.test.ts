/** The description of the API: valid, and of everything that there is. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it } from 'vitest';
import { openApiDocument } from '../../../lib/api/objects/openapi.ts';
import { documentKinds } from '../../../lib/model/objects/document.ts';
import { objectSite } from './object-site.ts';

it('is OpenAPI 3.1, and what is served', async () => {
  const validator = new Validator();
  expect(await validator.validate(structuredClone(openApiDocument()))).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  const served = await (await objectSite()).ask('GET', '/v1/openapi.json');
  expect(served.body).toEqual(openApiDocument());
});

it('has each path of each kind, with the methods that are served', async () => {
  const { ask } = await objectSite();
  const { paths } = openApiDocument() as { paths: Record<string, Record<string, unknown>> };
  expect(Object.keys(paths)).toHaveLength(2 * documentKinds.length + 2);
  for (const [path, operations] of Object.entries(paths)) {
    const real = path
      .replaceAll(/\{[a-z]+\}/gi, 'x')
      .replace(/^(\/v1\/(?:globals|aciGws))\/x$/, '$1/global');
    for (const method of ['get', 'put', 'patch', 'delete', 'post']) {
      const { body } = await ask(method.toUpperCase(), real, method === 'get' ? undefined : {});
      const { code } = (body['error'] ?? {}) as { code?: string };
      const isServed = code !== 'REQUEST_METHOD' && code !== undefined;
      // what is served may well be refused, but never for its method
      if (method in operations)
        expect([path, method, code]).not.toEqual([path, method, 'REQUEST_METHOD']);
      else
        expect([path, method, isServed && code !== 'OBJECT_UNKNOWN']).toEqual([
          path,
          method,
          false,
        ]);
    }
  }
});
