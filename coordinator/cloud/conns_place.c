/*
 * conns_place.c - see conns_place.h.
 *
 * Source: the location names in AWS's list of regions; coordinates of those
 * cities are common knowledge. Where AWS names a state or country, its known
 * data centre county or largest city stands for it.
 */
#include "coordinator/cloud/conns_place.h"

#include "common/pure/mw.h"
#include "common/pure/str.h"

#include <stddef.h>

static const struct conns_place places[] = {
	{ "aws", "af-south-1", "Cape Town", -33.9, 18.4 },
	{ "aws", "ap-east-1", "Hong Kong", 22.3, 114.2 },
	{ "aws", "ap-east-2", "Taipei", 25.0, 121.5 },
	{ "aws", "ap-northeast-1", "Tokyo", 35.7, 139.7 },
	{ "aws", "ap-northeast-2", "Seoul", 37.6, 127.0 },
	{ "aws", "ap-northeast-3", "Osaka", 34.7, 135.5 },
	{ "aws", "ap-south-1", "Mumbai", 19.1, 72.9 },
	{ "aws", "ap-south-2", "Hyderabad", 17.4, 78.5 },
	{ "aws", "ap-southeast-1", "Singapore", 1.3, 103.8 },
	{ "aws", "ap-southeast-2", "Sydney", -33.9, 151.2 },
	{ "aws", "ap-southeast-3", "Jakarta", -6.2, 106.8 },
	{ "aws", "ap-southeast-4", "Melbourne", -37.8, 145.0 },
	{ "aws", "ap-southeast-5", "Kuala Lumpur", 3.1, 101.7 },
	{ "aws", "ap-southeast-6", "Auckland", -36.8, 174.8 },
	{ "aws", "ap-southeast-7", "Bangkok", 13.8, 100.5 },
	{ "aws", "ca-central-1", "Montreal", 45.5, -73.6 },
	{ "aws", "ca-west-1", "Calgary", 51.0, -114.1 },
	{ "aws", "cn-north-1", "Beijing", 39.9, 116.4 },
	{ "aws", "cn-northwest-1", "Zhongwei", 37.5, 105.2 },
	{ "aws", "eu-central-1", "Frankfurt", 50.1, 8.7 },
	{ "aws", "eu-central-2", "Zurich", 47.4, 8.5 },
	{ "aws", "eu-north-1", "Stockholm", 59.3, 18.1 },
	{ "aws", "eu-south-1", "Milan", 45.5, 9.2 },
	{ "aws", "eu-south-2", "Zaragoza", 41.6, -0.9 },
	{ "aws", "eu-west-1", "Dublin", 53.3, -6.3 },
	{ "aws", "eu-west-2", "London", 51.5, -0.1 },
	{ "aws", "eu-west-3", "Paris", 48.9, 2.4 },
	{ "aws", "il-central-1", "Tel Aviv", 32.1, 34.8 },
	{ "aws", "me-central-1", "Dubai", 25.2, 55.3 },
	{ "aws", "me-south-1", "Manama", 26.2, 50.6 },
	{ "aws", "mx-central-1", "Queretaro", 20.6, -100.4 },
	{ "aws", "sa-east-1", "Sao Paulo", -23.5, -46.6 },
	{ "aws", "us-east-1", "Ashburn", 39.0, -77.5 },
	{ "aws", "us-east-2", "Columbus", 40.0, -83.0 },
	{ "aws", "us-gov-east-1", "Columbus", 40.0, -83.0 },
	{ "aws", "us-gov-west-1", "Portland", 45.5, -122.7 },
	{ "aws", "us-west-1", "San Francisco", 37.8, -122.4 },
	{ "aws", "us-west-2", "Portland", 45.5, -122.7 },
};

const struct conns_place *
conns_place_find(const char *csp, const char *region)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (str_eq(places[i].csp, csp) &&
		    str_eq(places[i].region, region))
			return &places[i];
	return NULL;
}
