import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OpenAPIObject } from '@nestjs/swagger';
import { type RunningServer, startServer } from './http-server.js';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

async function getDocument(): Promise<OpenAPIObject> {
  return (await fetch(`${server.url}/docs/openapi.json`)).json() as Promise<OpenAPIObject>;
}

describe('the document', () => {
  it('is OpenAPI 3.1 in the version of the service', async () => {
    const document = await getDocument();

    expect(document.openapi).toBe('3.1.0');
    expect(document.info.version).toBe('1.2.3');
  });

  it('describes the error shape, and says of every operation that it may answer with it', async () => {
    const { paths, components } = await getDocument();

    const operations = Object.values(paths).flatMap((item) => Object.values(item));
    expect(operations.length).toBeGreaterThan(4);
    for (const { responses } of operations) {
      expect(responses.default.content['application/json'].schema).toEqual({
        $ref: '#/components/schemas/ErrorResponse',
      });
    }
    expect(components?.schemas).toHaveProperty('ErrorDetail.properties.requestId');
    expect(paths['/api/instances/{instanceId}']?.get?.responses).toHaveProperty('404');
  });

  it('shows the limits of what is limited, and only of that', async () => {
    const { paths } = await getDocument();

    expect(paths['/api/instances']?.get?.responses).toHaveProperty(['200', 'headers', 'X-RateLimit-Remaining']);
    expect(paths['/api/instances']?.post?.responses).toHaveProperty('429');
    expect(paths['/health/live']?.get?.responses).not.toHaveProperty('429');
  });

  it('says what the query takes', async () => {
    const { paths } = await getDocument();

    expect(paths['/api/instances']?.get?.parameters).toContainEqual(
      expect.objectContaining({
        name: 'limit',
        in: 'query',
        required: false,
        schema: { type: 'integer', minimum: 1, maximum: 100, default: 50 },
      }),
    );
  });
});

describe('the page', () => {
  it('takes everything it loads from this service', async () => {
    const html = await (await fetch(`${server.url}/docs`)).text();

    const loaded = [...html.matchAll(/(?:src|href)=["']([^"']+)["']/g)].map(([, address]) => address ?? '');
    const files = loaded.filter((address) => !address.startsWith('#') && !address.startsWith('data:'));
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) {
      expect(file).toMatch(/^\.\/docs\//);
      const response = await fetch(new URL(file, `${server.url}/docs`));
      expect({ file, status: response.status, size: (await response.text()).length > 0 }).toEqual({
        file,
        status: 200,
        size: true,
      });
    }
  });
});
