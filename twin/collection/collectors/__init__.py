"""One file per way in. Each module here names its collector `COLLECTOR`; `twin.collection.registry` finds them."""
