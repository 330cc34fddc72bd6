/** The smallest order that the sandbox's seed world can fill. */
export function anOrder(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return { name: 'my-gpu-instance', productName: 'RTX 4090 24GB', templateId: 'template-123', ...overrides };
}
