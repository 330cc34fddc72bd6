import { describe, expect, it } from '@jest/globals';
import type { Product } from '../../novita/novita-client.js';
import { chooseOffers } from './choose-offer.js';
import type { OfferChoice, RegionalCatalogue, Wish } from './offer.js';

const WISH: Wish = { productName: 'RTX 4090 24GB', gpuNum: 2, rootfsSizeGb: 50, billingMode: 'spot' };

function aProduct(overrides: Partial<Product> = {}): Product {
  return {
    id: 'product',
    name: 'RTX 4090 24GB',
    deployable: true,
    regions: [],
    onDemandMicros: 500_000n,
    spotMicros: 200_000n,
    minRootfsGb: 10,
    maxRootfsGb: 100,
    ...overrides,
  };
}

function aRegion(region: string, products: readonly Product[]): RegionalCatalogue {
  return { region, cluster: { id: `cluster-${region}`, name: region }, products };
}

function idsOf(choice: OfferChoice): string[] {
  return choice.kind === 'offers' ? choice.offers.map(({ region, productId }) => `${region}/${productId}`) : [];
}

describe('the choice of an offer', () => {
  it('keeps to the order of regions, and takes the cheapest first inside one', () => {
    const dear = aProduct({ id: 'dear', spotMicros: 300_000n });
    const cheap = aProduct({ id: 'cheap', spotMicros: 100_000n });

    const choice = chooseOffers(WISH, [aRegion('a', [dear]), aRegion('b', [dear, cheap])], new Set());

    expect(idsOf(choice)).toEqual(['a/dear', 'b/cheap', 'b/dear']);
  });

  it('puts places that lately had no stock last', () => {
    const regions = [aRegion('a', [aProduct()]), aRegion('b', [aProduct()])];

    const choice = chooseOffers(WISH, regions, new Set(['cluster-a/product/spot']));

    expect(idsOf(choice)).toEqual(['b/product', 'a/product']);
  });

  it('asks the price of all GPUs together', () => {
    const choice = chooseOffers(WISH, [aRegion('a', [aProduct()])], new Set());

    expect(choice).toMatchObject({ kind: 'offers', offers: [{ pricePerHourMicros: 400_000n }] });
  });

  it.each<[string, readonly RegionalCatalogue[], string]>([
    ['no such region', [{ region: 'a', cluster: null, products: [] }], 'region-not-found'],
    ['a look-alike', [aRegion('a', [aProduct({ name: 'RTX 4090 24GB SXM' })])], 'product-not-found'],
    ['sold elsewhere only', [aRegion('a', [aProduct({ regions: ['b'] })])], 'product-not-found'],
    ['not sold as spot, however cheap on demand', [aRegion('a', [aProduct({ spotMicros: null })])], 'billing-mode'],
    ['a disk that is too small', [aRegion('a', [aProduct({ maxRootfsGb: 40 })])], 'rootfs-size'],
    ['nothing free', [aRegion('a', [aProduct({ deployable: false })])], 'no-capacity'],
  ])('says why there is none: %s', (_text, regions, because) => {
    expect(chooseOffers(WISH, regions, new Set())).toEqual({ kind: 'none', because });
  });

  it('does not mind case and blanks of the name', () => {
    const wish = { ...WISH, productName: ' rtx 4090 24gb ' };

    expect(idsOf(chooseOffers(wish, [aRegion('a', [aProduct()])], new Set()))).toEqual(['a/product']);
  });
});
