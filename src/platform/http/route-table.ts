interface KnownRoute {
  pattern: string;
  expression: RegExp;
  methods: Set<string>;
}

/** Remembers which methods each address has, so that a wrong method is a 405 and not a 404. */
export class RouteTable {
  private readonly routes = new Map<string, KnownRoute>();

  add(pattern: string, method: string | readonly string[]): void {
    const route = this.routes.get(pattern) ?? { pattern, expression: toExpression(pattern), methods: new Set() };
    for (const name of [method].flat()) route.methods.add(name);
    this.routes.set(pattern, route);
  }

  /** Every pair of address and method, as `GET /api/instances/:instanceId`. */
  all(): string[] {
    return [...this.routes.values()].flatMap(({ pattern, methods }) =>
      [...methods].map((name) => `${name} ${pattern}`),
    );
  }

  methodsAt(path: string): string[] {
    const matching = [...this.routes.values()].filter((route) => route.expression.test(path));
    return [...new Set(matching.flatMap((route) => [...route.methods]))].toSorted();
  }
}

/** The path of a request target, decoded; as it came when it cannot be decoded. */
export function pathOf(target: string): string {
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

function toExpression(pattern: string): RegExp {
  const source = pattern
    .split('/')
    .map((segment) => {
      if (segment.startsWith(':')) return '[^/]+';
      return segment === '*' ? '.*' : escaped(segment);
    })
    .join('/');
  return new RegExp(`^${source}$`, 's');
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
