import type { Product } from '../../novita/novita-client.js';
import { type NoOffer, type Offer, type OfferChoice, placeOf, type RegionalCatalogue, type Wish } from './offer.js';

/**
 * What can be bought for a wish, best first: regions in the order given, inside a region the cheapest in the wished billing mode.
 * Places that lately had no stock come last. The name must match exactly: upstream's filter also finds look-alikes.
 */
export function chooseOffers(
  wish: Wish,
  regions: readonly RegionalCatalogue[],
  stockOuts: ReadonlySet<string>,
): OfferChoice {
  const offers = regions.flatMap((region) => offersIn(region, wish));
  if (offers.length === 0) return { kind: 'none', because: explain(wish, regions) };
  const isOut = (offer: Offer) => stockOuts.has(placeOf(offer));
  return { kind: 'offers', offers: [...offers.filter((offer) => !isOut(offer)), ...offers.filter(isOut)] };
}

function offersIn({ region, cluster, products }: RegionalCatalogue, wish: Wish): Offer[] {
  if (cluster === null) return [];
  return products
    .filter((product) => isWanted(product, wish, region) && product.deployable && fits(product, wish))
    .flatMap((product) => {
      const perGpu = priceOf(product, wish);
      if (perGpu === null) return [];
      const { minRootfsGb, maxRootfsGb, id: productId } = product;
      const pricePerHourMicros = perGpu * BigInt(wish.gpuNum);
      const { billingMode } = wish;
      return [{ productId, clusterId: cluster.id, region, billingMode, pricePerHourMicros, minRootfsGb, maxRootfsGb }];
    })
    .toSorted((a, b) =>
      a.pricePerHourMicros < b.pricePerHourMicros ? -1 : a.pricePerHourMicros > b.pricePerHourMicros ? 1 : 0,
    );
}

function isWanted(product: Product, wish: Wish, region: string): boolean {
  const isHere = product.regions.length === 0 || product.regions.includes(region);
  return isHere && product.name.trim().toLowerCase() === wish.productName.trim().toLowerCase();
}

function fits(product: Product, wish: Wish): boolean {
  return wish.rootfsSizeGb >= product.minRootfsGb && wish.rootfsSizeGb <= product.maxRootfsGb;
}

/** No falling back from a missing spot price to the on-demand one: that would hide that spot is not sold. */
function priceOf(product: Product, wish: Wish): bigint | null {
  return wish.billingMode === 'spot' ? product.spotMicros : product.onDemandMicros;
}

/** The nearest miss is the most useful reason. */
function explain(wish: Wish, regions: readonly RegionalCatalogue[]): NoOffer {
  const here = regions.filter((region) => region.cluster !== null);
  if (here.length === 0) return 'region-not-found';
  const named = here.flatMap(({ region, products }) => products.filter((product) => isWanted(product, wish, region)));
  if (named.length === 0) return 'product-not-found';
  const sold = named.filter((product) => priceOf(product, wish) !== null);
  if (sold.length === 0) return 'billing-mode';
  return sold.some((product) => fits(product, wish)) ? 'no-capacity' : 'rootfs-size';
}
